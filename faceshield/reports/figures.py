"""Plots of result files: accuracies with their seeds, and the confusion matrix of the uncloaked run."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

GROUPS = (("protected_accuracy", "cloaked people", "#c44e52"), ("others_accuracy", "everybody else", "#4c72b0"))


def recognition(result: dict[str, Any], path: Path) -> None:
    """Write a PNG: per key the accuracy of both groups (mean, dots for seeds), beside it the first confusion matrix.

    ``result`` is a result file whose cells hold ``protected_accuracy``, ``others_accuracy`` and ``confusion``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # seconds that only a finished recipe should pay
    from matplotlib.figure import Figure

    keys = list(dict.fromkeys(tuple(cell["key"].items()) for cell in result["cells"]))
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    bars, matrix = figure.subplots(1, 2, width_ratios=[1.2, 1])
    for offset, (metric, name, colour) in zip((-0.2, 0.2), GROUPS, strict=True):
        values = [[c["metrics"][metric] for c in result["cells"] if tuple(c["key"].items()) == key] for key in keys]
        places = np.arange(len(keys)) + offset
        bars.bar(places, [statistics.fmean(v) for v in values], 0.38, color=colour, label=name)
        for place, own in zip(places, values, strict=True):
            bars.plot([place] * len(own), own, "k.", markersize=5)
    bars.axhline(0.16, color="grey", linestyle="--", linewidth=1, label="paper, protected people (WebFace)")
    bars.axhline(result["cells"][0]["metrics"]["chance"], color="grey", linestyle=":", linewidth=1, label="chance")
    bars.set_xticks(range(len(keys)), [", ".join(_word(*item) for item in key) for key in keys])
    bars.set(ylim=(0, 1), ylabel="top-1 accuracy on clean photos", title=f"{result['recipe']}, {result['scale']}")
    bars.legend(fontsize=8)
    first = result["cells"][0]
    counts = np.asarray(first["metrics"]["confusion"], float)
    matrix.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="magma", vmin=0, vmax=1)
    told = ", ".join(_word(*item) for item in first["key"].items())
    matrix.set(title=f"who is taken for whom ({told})", xlabel="the recogniser says", ylabel="it is")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _word(name: str, value: object) -> str:
    return str(value) if name == "noise" else f"{name} {value}"
