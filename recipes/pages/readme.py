"""Write the figures of docs/results.md and README from recipes/results/, between markers; a test compares them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from readme_methods import write_methods
from readme_paper import ladder, mean, paper_scale
from readme_today import answer_today

from faceshield.core.store import read_json
from faceshield.models.pretrained import JUDGE, PRETRAINED
from faceshield.reports.results import read_values, spread

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "recipes" / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NAMES = {
    "none": "not cloaked",
    "left-out": "left out of the training",
    "bank": "`--fast` (public noise)",
    "tailored": "private noise (default)",
    "both": "`--against both`",
}
_CLOAKS = ("none", "bank", "tailored", "both")
_CROPS: list[dict[str, Any]] = [
    *({"noise": noise} for noise in ("none", "left-out", "bank")),
    *({"noise": "tailored", "photos": photos} for photos in (20, 3)),
]


def write_results(results: Path = RESULTS) -> str:
    """The tables of docs/results.md, in Markdown."""
    selfie, crops = (read_json(results / "faces" / f"{name}.mini.json") for name in ("selfie", "crops"))
    bench = read_json(results / "benchmarks" / "cloak.mini.json")
    lines = [
        "## Recognisers trained on the photos",
        "",
        "Photos cloaked by the command line, a recogniser trained on them from scratch, tested on clean photos it never"
        " saw (`recipes/faces/selfie.yaml`; mean ± standard deviation over seeds):",
        "",
        "| training photos of four people | recognised in clean photos | everybody else | SSIM, ΔE₀₀ in the face |",
        "|---|---|---|---|",
        *(row for noise in _CLOAKS for row in _write_row(selfie, {"noise": noise}, NAMES[noise])),
        "",
        *_name_unmeasured(selfie),
        _people(selfie),
        "",
        "Aligned crops of six other people (`recipes/faces/crops.yaml`):",
        "",
        "| training crops | recognised in clean crops | everybody else |",
        "|---|---|---|",
        *(
            row
            for key in _CROPS
            for row in _write_row(crops, key, f"{NAMES[key['noise']]}{_photos(key)}", visible=False)
        ),
        "",
        "Left out: no noise can do more; everybody else is recognised less too, for fewer faces are learned from.",
        "",
        *_write_alone(read_json(results / "faces" / "alone.mini.json")),
        f"Measured on: {selfie['device']}. Chance is {mean(selfie, {'noise': 'none'}, 'chance'):.1%} and"
        f" {mean(crops, {'noise': 'none'}, 'chance'):.1%}.",
        "",
        "## What a collector can do",
        "",
        *_write_undone(read_json(results / "faces" / "undone.mini.json")),
        *_write_washed(read_json(results / "faces" / "battery.mini.json")),
        "",
        "## Face search",
        "",
        *_write_searched(read_json(results / "faces" / "transfer.mini.json")),
        "",
        "## The paper's own experiment",
        "",
        *paper_scale(results),
        "",
        "## Speed",
        "",
        _speed(bench),
        "",
        ladder(read_json(results / "benchmarks" / "noise.mini.json")),
    ]
    return "\n".join(lines)


def _photos(key: dict[str, Any]) -> str:
    return f", made from {key['photos']} photos" if "photos" in key else ""


def _write_row(result: dict[str, Any], key: dict[str, Any], name: str, visible: bool = True) -> list[str]:
    """One row, or none where no cell of this key has run."""
    if not read_values(result, key, "protected_accuracy"):
        return []
    cells = [name]
    for metric in ("protected_accuracy", "others_accuracy"):
        found = read_values(result, key, metric)
        text = f" ± {spread(found):.1%}" if len(found) > 1 else " (one seed)"
        cells.append(f"{statistics.fmean(found):.1%}{text}")
    if visible:
        seen = [] if key["noise"] == "none" else [mean(result, key, "ssim_face"), mean(result, key, "delta_e_mean")]
        cells.append("{:.3f}, {:.1f}".format(*seen) if seen else "–")
    return [f"| {' | '.join(cells)} |"]


def _name_unmeasured(selfie: dict[str, Any]) -> list[str]:
    """What the noise of today has not been measured for in whole photos."""
    names = [NAMES[noise] for noise in _CLOAKS if not read_values(selfie, {"noise": noise}, "protected_accuracy")]
    return [f"Not measured yet with the noise as it is made today: {' and '.join(names)}.", ""] if names else []


def _people(result: dict[str, Any]) -> str:
    """Each cloaked person's own accuracy: a mean over four hides the one on whom it does not hold."""
    shares: list[list[float]] = []
    for cell in result["cells"]:
        if cell["key"] == {"noise": "tailored"}:
            rows = cell["metrics"]["confusion"]
            last = range(len(rows) - 4, len(rows))
            shares.append([rows[person][person] / sum(rows[person]) for person in last])
    text = ", ".join(f"{statistics.fmean(runs):.1%}" for runs in zip(*shares, strict=True))
    return f"Person by person, with a private noise: {text}. **It does not hold equally well on everybody.**"


def _write_alone(result: dict[str, Any]) -> list[str]:
    cells = [cell for cell in result["cells"] if cell["key"]["noise"] == "tailored"]
    if not cells:
        return []
    noisy = [cell["metrics"] for cell in cells]
    final = [metrics["protected_accuracy"] for metrics in noisy]
    people, seeds = {cell["key"]["person"] for cell in cells}, {cell["seed"] for cell in cells}
    text = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds, another noise in each"
    return [
        f"**Alone it holds less.** With each of {len(people)} people the only one to wear a noise, and a longer"
        f" training (`recipes/faces/alone.yaml`, {text}), {statistics.fmean(final):.1%} of their clean crops are"
        f" recognised ({min(final):.1%} to {max(final):.1%}), at the best epoch"
        f" {statistics.fmean(metrics['protected_accuracy_peak'] for metrics in noisy):.1%}; without a noise"
        f" {mean(result, {'noise': 'none'}, 'protected_accuracy'):.1%}.",
        "",
    ]


def _write_undone(result: dict[str, Any]) -> list[str]:
    """What uncloaked photos among the cloaked ones teach."""
    left = {cell["key"]["percent"]: cell["metrics"] for cell in result["cells"] if cell["key"]["noise"] == "tailored"}
    text = ", ".join(
        f"{100 - percent}%: {left[percent]['protected_accuracy']:.1%}" for percent in sorted(left, reverse=True)
    )
    return [
        "**Uncloaked photos undo it.** Recognised by the share of the six people's training crops without a noise"
        f" (`recipes/faces/undone.yaml`, one seed): {text}.",
        "",
    ] * bool(left)


_WASHED = {
    "none": "trains as usual",
    "jpeg-75": "saves the photos as JPEG 75",
    "half-size": "halves their size",
    "recrop": "cuts faces out otherwise",
    "strong-augmentation": "augments strongly",
    "grey": "trains and tests without colour",
    "purify": "trains a purifier on pairs made with this tool",
    "adversarial-training": "trains adversarially",
}


def _write_washed(result: dict[str, Any]) -> list[str]:
    """What a collector's counter-measures win back of people with a private noise."""
    lines = ["| the collector | recognised in clean crops | at the best epoch |", "|---|---|---|"]
    for name, text in _WASHED.items():
        key = {"noise": "tailored", "attacker": "scratch", "countermeasure": name}
        final, peak = (read_values(result, key, metric) for metric in ("protected_accuracy", "protected_accuracy_peak"))
        if not final:
            continue
        seeds = f" (mean of {len(final)} seeds)" if len(final) > 1 else ""
        lines.append(f"| {text} | {statistics.fmean(final):.1%}{seeds} | {statistics.fmean(peak):.1%} |")
    for attacker, text in (
        ("frozen-resnet29", "takes a ready-made recogniser, which compares"),
        ("fine-tuned-resnet29", "trains a ready-made recogniser further, all layers"),
    ):
        key = {"noise": "tailored", "attacker": attacker, "countermeasure": "none"}
        if read_values(result, key, "protected_accuracy"):
            lines.append(f"| {text} | {mean(result, key, 'protected_accuracy'):.1%} | – |")
    clean = mean(result, {"noise": "none", "attacker": "scratch", "countermeasure": "none"}, "protected_accuracy")
    return [
        "What a collector can do about a private noise, on the same crops (`recipes/faces/battery.yaml`, one seed"
        f" unless said; without noise {clean:.1%} are recognised):",
        "",
        *lines,
    ]


_SEARCHES = {
    "no cloak": ("none", "clean", "clean"),
    "clean photo, cloaked ones in the index": ("mask", "clean", "cloaked"),
    "cloaked photo, clean ones in the index": ("mask", "cloaked", "clean"),
    "both cloaked": ("mask", "cloaked", "cloaked"),
    "as the command makes masks: clean photo, cloaked index": ("shipped", "clean", "cloaked"),
}


def _write_searched(result: dict[str, Any]) -> list[str]:
    """Who finds masked photos among strangers: made against all others, and as the command makes them."""
    names = list(dict.fromkeys(cell["key"]["recogniser"] for cell in result["cells"]))

    def key(name: str, noise: str, query: str, gallery: str) -> dict[str, Any]:
        words = {"noise": noise, "recogniser": name, "query": query, "gallery": gallery}
        return {**words, "countermeasure": "none"}

    rows = {name: [key(name, *search) for search in _SEARCHES.values()] for name in names}
    seeds = min(len(read_values(result, one, "rank1")) for keys in rows.values() for one in keys)
    text = "one seed" if seeds == 1 else f"mean of {seeds} seeds, other photos in each"
    shares = {
        name: [(mean(result, one, "rank1"), mean(result, one, "match_rate")) for one in keys]
        for name, keys in rows.items()
    }
    over = [
        tuple(statistics.fmean(pair) for pair in zip(*column, strict=True))
        for column in zip(*shares.values(), strict=True)
    ]
    ssim, shift = (mean(result, rows[names[0]][1], metric) for metric in ("ssim_face", "delta_e_mean"))
    crowd = result["cells"][0]["metrics"]["crowd"]
    return [
        f"Face search among {crowd} strangers' photos by frozen recognisers that others trained: how often the person"
        " comes first, and in brackets the share of pairs matched at a false match rate of 0.1%"
        f" (`recipes/faces/transfer.yaml`, four people, {text}). In all but the last column the masks are made against"
        f" the four *other* recognisers. {PRETRAINED[JUDGE].title} is the one that the command never makes masks"
        f" against, and the audit's judge. SSIM in the face {ssim:.3f}, colour difference (CIEDE2000) {shift:.1f}.",
        "",
        f"| recogniser | {' | '.join(_SEARCHES)} |",
        f"|---|{'---|' * len(_SEARCHES)}",
        *(f"| {PRETRAINED[name].title} | {_format_shares(found)} |" for name, found in shares.items()),
        f"| mean | {_format_shares(over)} |",
    ]


def _format_shares(found: Sequence[tuple[float, ...]]) -> str:
    return " | ".join(f"{rank1:.1%} ({matched:.1%})" for rank1, matched in found)


def _speed(result: dict[str, Any]) -> str:
    metrics = result["cells"][0]["metrics"]
    return (
        f"With the noise ready, a 12-megapixel JPEG takes one face detection plus"
        f" {metrics['ratio_without_detection']:.1f} × Pillow's own decode and encode, its bytes checked again included;"
        f" memory stays at {metrics['peak_mb']:.0f} MB over {metrics['photos']} photos"
        " (`recipes/benchmarks/cloak.py`)."
    )


DOCUMENTS: dict[str, Callable[[Path], str]] = {
    "docs/results.md": write_results,
    "docs/methods.md": write_methods,
    "README.md": answer_today,
}


def main() -> None:
    """Rewrite both documents in place."""
    for name, write in DOCUMENTS.items():
        path = ROOT / name
        head, rest = path.read_text(encoding="utf-8").split(BEGIN)
        path.write_text(f"{head}{BEGIN}\n{write(RESULTS)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
