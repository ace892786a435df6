"""The README's sentences about the paper's own experiments and about the speed of Algorithm 1; see readme.py."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from faceshield.core.store import read_json
from faceshield.reports.results import find_stand_ins, read_values


def mean(result: dict[str, Any], key: dict[str, Any], metric: str) -> float:
    """The mean of ``metric`` over the seeds of the cells with exactly this key."""
    return statistics.fmean(read_values(result, key, metric))


def read_faces(results: Path, name: str) -> dict[str, Any]:
    """The result of the recipe ``faces/name``, without cells where it was not run; ``results``: the folder."""
    path = results / "faces" / f"{name}.mini.json"
    return read_json(path) if path.exists() else {"cells": []}


def ladder(result: dict[str, Any]) -> str:
    """What our steps through Algorithm 1 save against the peers' over the same rounds, and what the noise is worth."""
    rounds = result["settings"]["ladder_rounds"]

    def ratio(loop: str, peer: str = "ratio") -> str:
        return f"{mean(result, {'loop': f'{loop}, {rounds} rounds'}, peer):.1f} ×"

    def left(loop: str) -> str:
        return f"{mean(result, {'loop': loop}, 'test_accuracy_final'):.1%}"

    ours, fast = "ours, the paper's T and α", "ours, fast"
    return (
        f"One noise a picture, at the paper's T and α, is made {ratio(ours)} as fast as by a plain loop, and"
        f" {ratio(ours, 'ratio_foolbox')} as fast as by foolbox's steps in the same loop: alone, bfloat16 gives"
        f" {ratio('precision alone')}, batch norms folded into the convolutions {ratio('folding alone')}, channels-last"
        f" {ratio('channels-last alone')}; the `fast` setting, with fewer and larger steps, {ratio(fast)}"
        f" (`recipes/benchmarks/noise.py`, {result['device']}). Made to the same stop error, it leaves a network"
        f" trained on it right on {left(ours)} of clean pictures, {left(fast)} with `fast` and {left('plain loop')} by"
        f" the plain loop; {left('none (clean data)')} without noise."
    )


_MADE = {"noise": "error-min", "setting": "paper"}
_PAPER_ROWS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("fig1", {"noise": "none"}, "ResNet-18, clean"),
    ("fig1", {**_MADE, "form": "sample"}, "ResNet-18, one noise a picture"),
    ("fig1", {**_MADE, "form": "class"}, "ResNet-18, one noise a class"),
    ("table1", {"set": "cifar10", "model": "vgg11", "noise": "none"}, "VGG-11, clean"),
    ("table1", {**_MADE, "set": "cifar10", "model": "vgg11", "form": "sample"}, "VGG-11, one noise a picture"),
    ("table1", {**_MADE, "set": "cifar10", "model": "vgg11", "form": "class"}, "VGG-11, one noise a class"),
    ("table2", {"noise": "none", "percent": 80, "trained_on": "clean"}, "ResNet-18, a fifth of the data, clean"),
    (
        "table2",
        {**_MADE, "percent": 80, "trained_on": "both", "form": "sample"},
        "and four fifths, one noise a picture",
    ),
    ("table2", {**_MADE, "percent": 80, "trained_on": "both", "form": "class"}, "and four fifths, one noise a class"),
)


def paper_scale(results: Path) -> list[str]:
    """The paper's own CIFAR-10 figures beside ours at its scale."""
    found = {name: read_json(results / "paper" / f"{name}.paper.json") for name in ("fig1", "table1", "table2")}
    lines = ["| trained on CIFAR-10 for 60 epochs | test accuracy, the paper | ours |", "|---|---|---|"]
    for name, key, text in _PAPER_ROWS:
        theirs = next(
            bar["paper"]
            for bar in found[name]["expected"]
            if bar["metric"] == "test_accuracy_final" and "paper" in bar and bar["key"].items() <= key.items()
        )
        lines.append(f"| {text} | {theirs:.1%} | {mean(found[name], key, 'test_accuracy_final'):.1%} |")
    (read,) = find_stand_ins(found["fig1"]).values()
    lines += [
        "",
        f"All noise made with ResNet-18; one seed on one {found['fig1']['device']}; from a JPEG copy of the data"
        f" ({read}: lossless CIFAR-10 gives higher clean accuracies). All tables and figures, what agrees and what does"
        " not, are in `REPRODUCTION.md`.",
    ]
    return ["The paper's own experiment at its own scale (`recipes/paper/`):", "", *lines]
