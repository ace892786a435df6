"""Lines over a number that the recipe sweeps (a percentage, ε), with the seeds' spread and the paper's own points."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected, Key, Result
from faceshield.reports import look
from faceshield.reports.plot import Plot, find_paper_value, format_key
from faceshield.reports.results import list_keys, list_scalars, read_values, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_lines(result: Result, plot: Plot, expected: Sequence[Expected]) -> Figure:
    """A panel a metric, a line for each value of ``plot.by`` (the rest of the key) over the number ``plot.x``.

    Bands are mean ± sd over seeds; dashed with hollow markers is the paper. Raises UsageError where ``plot.x`` is no
    number in every key that has it.
    """
    if plot.x is None:
        raise UsageError(f"{result['recipe']}: plot lines needs plot_x, the number in the key to draw along")
    metrics = plot.choose_metrics(result, list_scalars(result), expected, "test_accuracy_final")
    labelled = [(key, format_key(key, plot.by, plot.x) or "ours") for key in list_keys(result) if plot.x in key]
    metrics = [
        metric
        for metric in metrics
        if metric in list_scalars(result) and any(read_values(result, key, metric) for key, _ in labelled)
    ]
    look.require(metrics, result, f"{plot.x} in its key and the metric to draw over it")
    names = list(dict.fromkeys(name for _, name in labelled))
    shade = look.assign_colours(names)
    figure, axes = look.make_panels(result, len(metrics))
    for panel, metric in zip(axes, metrics, strict=True):
        for place, name in enumerate(names):
            points = sorted(
                (
                    (_read_x(key, plot.x, result), key)
                    for key, other in labelled
                    if other == name and read_values(result, key, metric)
                ),
                key=lambda pair: pair[0],
            )
            x = [value for value, _ in points]
            ours = [[float(value) for value in read_values(result, key, metric)] for _, key in points]
            mean, sd = np.array([statistics.fmean(v) for v in ours]), np.array([spread(v) for v in ours])
            marker = look.MARKERS[place % len(look.MARKERS)]
            panel.plot(x, mean, color=shade[name], marker=marker, markersize=5, label=name)
            panel.fill_between(x, mean - sd, mean + sd, color=shade[name], alpha=0.2, linewidth=0)
            papers = [(value, find_paper_value(expected, key, [metric])) for value, key in points]
            given = [(value, paper) for value, paper in papers if paper is not None]
            if given:
                theirs = panel.plot(*zip(*given, strict=True), "--", color=shade[name], marker=marker, linewidth=1.2)
                theirs[0].set(markerfacecolor="white", markersize=6)
        if any(bar.paper is not None and bar.metric == metric for bar in expected):
            panel.plot([], [], "--o", color="#555", mfc="white", linewidth=1.2, label=look.PAPER)
        look.format_rate_axis(panel, [metric])
        panel.set(xlabel=plot.x.replace("_", " "), title=look.format_name(metric))
    look.add_legend(figure, axes)
    return figure


def _read_x(key: Key, name: str, result: Result) -> float:
    try:
        return float(key[name])
    except ValueError:
        raise UsageError(f"{result['recipe']}: {name} {key[name]!r} is no number; plot bars instead of lines") from None
