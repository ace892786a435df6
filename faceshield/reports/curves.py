"""Learning curves: a metric's list, one number an epoch, as lines with their seeds' spread and the paper's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faceshield.core.results import Expected, Result
from faceshield.reports.look import END, add_legend, assign_colours, format_rate_axis, make_panels, name_of, require
from faceshield.reports.plot import Plot, find_paper_value, label
from faceshield.reports.results import keys_of, values, vectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves(result: Result, plot: Plot, expected: Sequence[Expected]) -> Figure:
    """A panel for each metric and rest of the key, a line for each value of ``plot.by``; bands are mean ± sd.

    The paper's value (of ``test_accuracy_final`` for ``curve_test``) is a diamond and a dashed line at the right.
    """
    from matplotlib.ticker import MaxNLocator

    metrics = plot.choose_metrics(result, vectors(result), expected, "curve_test")
    by = plot.by or ("noise" if any("noise" in key for key in keys_of(result)) else None)
    found = [
        (metric, key)
        for metric in metrics
        for key in keys_of(result)
        if metric in vectors(result) and any(values(result, key, metric))
    ]
    require(found, result, f"a list {' or '.join(metrics)}")
    places = list(dict.fromkeys((metric, label(key, None, by) if by else "") for metric, key in found))
    if any(words for _, words in places):  # a line that leaves the panels' parts open is a baseline of them all
        places = [place for place in places if place[1]]
    several = len({metric for metric, _ in places}) > 1
    figure, axes = make_panels(result, len(places))
    shade = assign_colours(list(dict.fromkeys(str(key.get(by, "–")) if by else label(key) for _, key in found)))
    for panel, place in zip(axes, places, strict=True):
        ends: list[tuple[float, str]] = []
        last = 1
        for metric, key in found:
            if metric != place[0] or (by and label(key, None, by) not in ("", place[1])):
                continue
            name = str(key.get(by, "–")) if by else label(key)
            runs = [run for run in values(result, key, metric) if run]
            length = min(map(len, runs))
            table = np.asarray([run[:length] for run in runs], float)
            epochs, mean = np.arange(1, length + 1), table.mean(0)
            sd = table.std(0, ddof=1) if len(table) > 1 else np.zeros(length)
            panel.plot(epochs, mean, color=shade[name], label=name, marker="." if length < 3 else None)
            panel.fill_between(epochs, mean - sd, mean + sd, color=shade[name], alpha=0.2, linewidth=0)
            last = max(last, length)
            stem = metric.removeprefix("curve_")
            paper = find_paper_value(expected, key, (f"{stem}_accuracy_final", f"{stem}_accuracy"))
            if paper is not None:
                ends.append((paper, shade[name]))
        for paper, colour in ends:
            panel.plot([0.75 * last, last * 1.03], [paper, paper], "--", color=colour, linewidth=1.2)
            panel.plot([last * 1.03], [paper], "D", color=colour, mfc="white", ms=6, clip_on=False, zorder=3)
        if ends:
            panel.plot([], [], "--D", color="#555", mfc="white", label=END)
        format_rate_axis(panel, [place[0]])
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set(xlabel="epoch", xlim=(min(1, last - 1), last * 1.05), title=place[1] if by else "")
        if several or panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_ylabel(name_of(place[0]))
    add_legend(figure, axes)
    return figure
