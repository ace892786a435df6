"""Confusion matrices: who is taken for whom, a panel for each key, mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faceshield.core.results import Expected, Result
from faceshield.reports.look import make_panels, require
from faceshield.reports.plot import Plot, label
from faceshield.reports.results import keys_of, matrices, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READABLE = 12  # classes up to which a number fits in a field


def draw_confusion(result: Result, plot: Plot, expected: Sequence[Expected]) -> Figure:
    """Rows are what it is, columns what the classifier says, in per cent of the row (``draw_confusion`` holds counts).

    Classes are called by the cell's ``classes`` where it gives them, else numbered.
    """
    from matplotlib.ticker import PercentFormatter

    metric = plot.choose_metrics(result, matrices(result), expected, "confusion")[0]
    keys = [key for key in keys_of(result) if metric in matrices(result) and values(result, key, metric)]
    require(keys, result, f"the matrix {metric}")
    figure, axes = make_panels(result, len(keys), width=4.2, height=3.9)
    image = None
    for panel, key in zip(axes, keys, strict=True):
        counts = np.asarray(values(result, key, metric), float).sum(0)
        shares = counts / counts.sum(1, keepdims=True).clip(1)
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        panel.set(title=label(key), xlabel="the classifier says")
        panel.grid(False)
        names = next(iter(values(result, key, "classes")), [str(place) for place in range(len(shares))])
        every = 1 if len(shares) <= READABLE else 5
        ticks = range(0, len(shares), every)
        upright = 90 if any(len(names[tick]) > 2 for tick in ticks) else 0
        panel.set_xticks(ticks, [names[tick] for tick in ticks], rotation=upright)
        panel.set_yticks(ticks, [names[tick] for tick in ticks])
        if len(shares) <= READABLE:
            for (row, column), share in np.ndenumerate(shares):
                colour = "white" if share > 0.5 else "#333"
                panel.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=7, color=colour)
    axes[0].set_ylabel("it is")
    assert image is not None
    figure.colorbar(image, ax=axes, label="share of the row's pictures", shrink=0.8, format=PercentFormatter(1.0))
    return figure
