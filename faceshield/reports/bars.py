"""Grouped bars: ours with the seeds' spread, the paper's value beside it, the bar that the claim sets across it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from faceshield.core.results import Expected, Key, Result
from faceshield.reports import look
from faceshield.reports.plot import Plot, find_paper_value, format_key
from faceshield.reports.results import format_given, format_number, list_keys, list_scalars, read_values, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Slot = tuple[str, str, Key, str]  # group along x, colour's name, key, metric
WHISKER = {"ecolor": "#222", "capsize": 2.5, "linewidth": 1}
UNDER = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
NUMBER: Any = {"padding": 4, "fontsize": 7.5, "zorder": 4, "bbox": UNDER}


def draw_bars(result: Result, plot: Plot, expected: Sequence[Expected]) -> Figure:
    """Groups along ``plot.x`` (the rest of the key); colours by ``plot.by``, a panel a metric, else by metric.

    Dots are single seeds, the whisker their standard deviation; hatched is the paper; a dashed rung is a bar of the
    claim (at most, at least).
    """
    metrics = plot.choose_metrics(result, list_scalars(result), expected, "test_accuracy_final")
    slots: list[Slot] = [
        (
            format_key(key, plot.x, plot.by) or "–",
            str(key.get(plot.by, "–")) if plot.by else look.format_name(metric),
            key,
            metric,
        )
        for metric in metrics
        for key in list_keys(result)
        if metric in list_scalars(result) and read_values(result, key, metric)
    ]
    look.require(slots, result, f"the metric {' or '.join(metrics)}")
    shade = look.assign_colours(list(dict.fromkeys(slot[1] for slot in slots)))
    parts = [[slot for slot in slots if slot[3] == metric] for metric in metrics] if plot.by else [slots]
    parts = [part for part in parts if part]
    groups = list(dict.fromkeys(slot[0] for slot in slots))
    wide = max(4.6, 0.5 * len(slots) / len(parts) + 1.2 * len(groups))
    figure, axes = look.make_panels(result, len(parts), width=min(wide, 12), columns=2 if wide < 7 else 1)
    for panel, part in zip(axes, parts, strict=True):
        _draw_panel(panel, part, groups, shade, result, expected)
        panel.set_ylabel(look.format_name(part[0][3]) if plot.by or len(metrics) == 1 else "")
    look.add_legend(figure, axes)
    return figure


def _draw_panel(
    panel: Axes,
    slots: Sequence[Slot],
    groups: Sequence[str],
    shade: dict[str, str],
    result: Result,
    expected: Sequence[Expected],
) -> None:
    names = [name for name in shade if any(slot[1] == name for slot in slots)]
    papers = any(find_paper_value(expected, key, [metric]) is not None for _, _, key, metric in slots)
    width = 0.84 / len(names)
    half = width / 2 if papers else width
    inches = panel.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    turn = 90 if half * 0.8 * inches / len(groups) < 0.34 else 0  # upright where a bar is narrower than its number
    look.format_rate_axis(panel, [slot[3] for slot in slots], room=0.16)
    for group, name, key, metric in slots:
        left = groups.index(group) - 0.42 + names.index(name) * width
        paper = find_paper_value(expected, key, [metric])
        ours = [float(value) for value in read_values(result, key, metric)]
        mean, place = statistics.fmean(ours), left + width / 2 - (half / 2 if paper is not None else 0)
        whisker = spread(ours) if len(ours) > 1 else None
        drawn = panel.bar(place, mean, half * 0.94, color=shade[name], label=name, yerr=whisker, error_kw=WHISKER)
        panel.bar_label(drawn, [format_number(metric, mean)], rotation=turn, **NUMBER)
        if len(ours) > 1:
            panel.plot([place] * len(ours), ours, ".", color="#222", markersize=4)
        if paper is not None:
            drawn = panel.bar(place + half, paper, half * 0.94, color="white", edgecolor=shade[name], hatch="////")
            panel.bar_label(drawn, [format_given(metric, paper)], rotation=turn, **NUMBER)
        for bar in expected:
            for limit in (bar.at_most, bar.at_least):
                if limit is not None and bar.metric == metric and bar.covers(key):
                    panel.plot([left, left + width], [limit, limit], "--", color="#222", linewidth=1.2)
    if papers:
        panel.bar(0, 0, color="white", edgecolor="#555", hatch="////", label=look.PAPER)
    if any(limit is not None for bar in expected for limit in (bar.at_most, bar.at_least)):
        panel.plot([], [], "--", color="#222", linewidth=1.2, label=look.BAR)
    crowded = sum(map(len, groups)) > 7 * inches
    panel.set_xticks(range(len(groups)), groups, rotation=25 if crowded else 0, ha="right" if crowded else "center")
    panel.set_xlim(-0.6, len(groups) - 0.4)
    panel.margins(y=0.15)
