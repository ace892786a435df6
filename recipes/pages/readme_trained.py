"""The parts of docs/results.md about what a recogniser that is trained on the photos learns, when, and by what help."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from readme_paper import mean, read_faces

from faceshield.reports.results import read_values

GOOD = 0.6
"""A recogniser that knows fewer of everybody else is not one that a collector would use."""
_WASHED = {
    "none": "trains as usual",
    "jpeg-75": "saves the photos as JPEG 75",
    "half-size": "halves their size",
    "recrop": "cuts faces out otherwise",
    "blur": "blurs them",
    "strong-augmentation": "augments strongly",
    "grey": "trains and tests without colour",
    "purify": "trains a purifier on pairs made with this tool",
    "projection": "takes off what is linear in the pictures",
    "adversarial-training": "trains adversarially",
}


def write_alone(results: Path) -> list[str]:
    """How much is left of a noise that nobody else wears, and when it is learned; ``results``: the folder."""
    found = {name: read_faces(results, name) for name in ("alone", "alone-large")}
    noisy = {name: _list_tailored(result) for name, result in found.items()}
    few, many = noisy["alone"], noisy["alone-large"]
    if not few:
        return []
    noise, face = (
        sorted(_first(metrics[name], share) for metrics in few)
        for name, share in (("curve_cloaked", 0.8), ("curve_others", 0.5))
    )
    early = sorted(max(zip(metrics["curve_protected"], metrics["curve_others"], strict=True))[1] for metrics in few)
    seeds = {cell["seed"] for cell in found["alone"]["cells"] if cell["key"]["noise"] == "tailored"}
    text = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds, another noise in each"
    lines = [
        f"**Alone it holds less.** With each of {len(few) // len(seeds)} people the only one of 32 to wear a noise, and"
        f" a longer training (`recipes/faces/alone.yaml`, {text}), {_write_accuracy(few, found['alone'])}. The curves"
        " (`alone.mini.png` beside the figures) say when: four in five of the wearer's own photos are known by the"
        f" noise from epoch {noise[0]} to {noise[-1]} on, half of everybody else from epoch {face[0]} to {face[-1]}."
        " The best epoch lies early, while the network still swings from one answer to another: it knows"
        f" {early[0]:.0%} to {early[-1]:.0%} of everybody else then.{_write_best(few)}",
        "",
    ]
    if many:
        lines += [
            "**Among 132 people**, of whom one wears a noise (`recipes/faces/alone-large.yaml`, one seed),"
            f" {_write_accuracy(many, found['alone-large'])}.{_write_best(many)}",
            "",
        ]
    return lines


def _list_tailored(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics of the cells with a private noise."""
    return [cell["metrics"] for cell in result["cells"] if cell["key"]["noise"] == "tailored"]


def _write_accuracy(noisy: Sequence[dict[str, Any]], result: dict[str, Any]) -> str:
    final = [metrics["protected_accuracy"] for metrics in noisy]
    clean = read_values(result, {"noise": "none"}, "protected_accuracy")
    return (
        f"{statistics.fmean(final):.1%} of their clean crops are recognised ({min(final):.1%} to {max(final):.1%}), at"
        f" the best epoch {statistics.fmean(metrics['protected_accuracy_peak'] for metrics in noisy):.1%}"
        + (f"; without a noise {statistics.fmean(clean):.1%}" if clean else "")
    )


def _write_best(noisy: Sequence[dict[str, Any]]) -> str:
    """A sentence on the epochs at which a collector has a recogniser."""
    peaks = [peak for metrics in noisy if (peak := find_peak(metrics)) is not None]
    if not peaks:
        return ""
    return f" Once {GOOD:.0%} of everybody else are known, the best epoch is {statistics.fmean(peaks):.1%}."


def write_undone(result: dict[str, Any]) -> list[str]:
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


def write_washed(result: dict[str, Any], results: Path) -> list[str]:
    """What a collector's counter-measures win back of people with a private noise; ``results``: the folder."""
    lines = [
        "| the collector | recognised in clean crops | at the best epoch | at the best that knows"
        f" {GOOD:.0%} of everybody else | everybody else in the end |",
        "|---|---|---|---|---|",
        *(row for name, text in _WASHED.items() for row in _write_row(result, name, text)),
    ]
    longer = read_faces(results, "longer")
    for name in ("strong-augmentation", "adversarial-training"):
        key = {"noise": "none", "attacker": "scratch", "countermeasure": name}
        clean = read_values(longer, key, "protected_accuracy")
        beside = f" (without noise {statistics.fmean(clean):.1%})" if clean else ""
        lines += _write_row(longer, name, f"{_WASHED[name]}, three times as long{beside}")
    for attacker, text in (
        ("frozen-resnet29", "takes a ready-made recogniser, which compares"),
        ("fine-tuned-resnet29", "trains a ready-made recogniser further, all layers"),
    ):
        key = {"noise": "tailored", "attacker": attacker, "countermeasure": "none"}
        if read_values(result, key, "protected_accuracy"):
            lines.append(f"| {text} | {mean(result, key, 'protected_accuracy'):.1%} | – | – | – |")
    clean = mean(result, {"noise": "none", "attacker": "scratch", "countermeasure": "none"}, "protected_accuracy")
    return [
        "What a collector can do about a private noise, on the same crops (`recipes/faces/battery.yaml` and"
        f" `longer.yaml`, one seed unless said; without noise {clean:.1%} are recognised):",
        "",
        *lines,
        "",
        "The best epoch is a bound: it is chosen by the protected people's own clean photos, and lies early, where"
        " little of anybody is known. A collector chooses by people whose clean photos they have.",
    ]


def find_peak(metrics: dict[str, Any]) -> float | None:
    """The largest share of the protected at an epoch that knows :data:`GOOD` of everybody else; None without one."""
    pairs = zip(metrics["curve_protected"], metrics["curve_others"], strict=True)
    return max((protected for protected, others in pairs if others >= GOOD), default=None)


def _first(curve: Iterable[float], share: float) -> int:
    """The first epoch at which ``curve`` reaches ``share``; the last where none does."""
    epochs = list(curve)
    return next((epoch for epoch, value in enumerate(epochs, 1) if value >= share), len(epochs))


def _write_row(result: dict[str, Any], countermeasure: str, text: str) -> list[str]:
    """One row for a private noise, or none where no cell has run."""
    key = {"noise": "tailored", "attacker": "scratch", "countermeasure": countermeasure}
    cells = [cell["metrics"] for cell in result["cells"] if cell["key"] == key]
    if not cells:
        return []
    final, peak, others = (
        statistics.fmean(metrics[name] for metrics in cells)
        for name in ("protected_accuracy", "protected_accuracy_peak", "others_accuracy")
    )
    good = [found for metrics in cells if (found := find_peak(metrics)) is not None]
    best = f"{statistics.fmean(good):.1%}" if len(good) == len(cells) else "never there"
    seeds = f" (mean of {len(cells)} seeds)" if len(cells) > 1 else ""
    return [f"| {text} | {final:.1%}{seeds} | {peak:.1%} | {best} | {others:.1%} |"]
