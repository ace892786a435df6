"""README's answer to "does it still work today?": the last measurements, when they were made, and who judged."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from readme_paper import mean

from faceshield.core.store import read_json
from faceshield.models.pretrained import JUDGE, PRETRAINED, SURROGATES
from faceshield.reports.results import read_values


def answer_today(results: Path) -> str:
    """The lines between README's markers, in Markdown."""
    selfie, battery, longer, transfer = (
        read_json(results / "faces" / f"{name}.mini.json") for name in ("selfie", "battery", "longer", "transfer")
    )
    days = sorted(result["started"][:10] for result in (selfie, battery, longer, transfer))
    shipped, none = ([_find_first(transfer, noise, name) for name in SURROGATES] for noise in ("shipped", "none"))
    return "\n".join(
        [
            f"**Does it still work today?** Measured from {days[0]} to {days[-1]}; the judges are named in each line.",
            "",
            f"- *A recogniser trained from scratch on the cloaked photos* (ResNet-18, {selfie['settings']['width']}"
            " channels wide) recognises the four people in"
            f" {mean(selfie, {'noise': 'tailored'}, 'protected_accuracy'):.1%} of their clean photos;"
            f" {mean(selfie, {'noise': 'none'}, 'protected_accuracy'):.1%} without a cloak (`faces/selfie`).",
            f"- *A collector who resists* recognises, {_list_resisting(longer, battery)} (`faces/battery`,"
            " `faces/longer`).",
            f"- *Face search*: the default does nothing. With `--against search`, {PRETRAINED[JUDGE].title}, which no"
            f" mask is made against, puts the person first in {_find_first(transfer, 'shipped', JUDGE):.1%} of searches"
            f" with a clean photo, of {_find_first(transfer, 'none', JUDGE):.1%} without a mask. {_name_surrogates()},"
            f" which they are made against: {_say_range(shipped)} of {_say_range(none)} (`faces/transfer`).",
        ]
    )


_RESISTING = {
    ("scratch", "grey"): "trained without colour",
    ("scratch", "adversarial-training"): "trained adversarially",
    ("fine-tuned-resnet29", "none"): "with a ready-made ResNet-29 (dlib) that is trained further on the photos",
}


def _list_resisting(*results: dict[str, Any]) -> str:
    """What each way gains, by the first of the ``results`` in which it was measured with the noise of today."""
    found = []
    for (attacker, countermeasure), text in _RESISTING.items():
        key = {"noise": "tailored", "attacker": attacker, "countermeasure": countermeasure}
        measured = (read_values(result, key, "protected_accuracy") for result in results)
        if values := next(filter(None, measured), None):
            found.append(f"{text}, {statistics.fmean(values):.1%}")
    return "; ".join(found)


def _find_first(result: dict[str, Any], noise: str, name: str) -> float:
    """How often the person comes first among strangers, asked for by a clean photo."""
    gallery = "clean" if noise == "none" else "cloaked"
    key = {"noise": noise, "recogniser": name, "query": "clean", "gallery": gallery, "countermeasure": "none"}
    return mean(result, key, "rank1")


def _name_surrogates() -> str:
    *first, last = (PRETRAINED[name].title for name in SURROGATES)
    return f"{', '.join(first)} and {last}"


def _say_range(shares: list[float]) -> str:
    return f"{min(shares):.1%} to {max(shares):.1%}"
