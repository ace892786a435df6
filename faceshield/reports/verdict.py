"""Whether a result is what was expected: each bar against the mean over seeds, for every key that it covers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from faceshield.core.results import Expected, Key, Result, contains, words
from faceshield.reports.results import format_given, is_rate, keys_of, values

Verdict = Literal["agree", "differ", "not run", "partly run", "no bar"]
# means of seeds carry rounding: 0.1 + 0.2 is within 0.3
SLACK = 1e-9


def judge(bar: Expected, result: Result, key: Key) -> Verdict:
    """One bar for one key: agree where the mean over seeds meets every part of it, differ where it misses one.

    "no bar" where the paper's number stands for comparison only; "not run" where the cells, or those it compares with,
    are not finished.
    """
    ours = mean(result, key, bar.metric)
    if ours is None:
        return "not run"
    met: list[bool] = []
    if bar.at_most is not None:
        met.append(ours <= bar.at_most + SLACK)
    if bar.at_least is not None:
        met.append(ours >= bar.at_least - SLACK)
    if bar.within is not None:
        target = near_mean(bar, result) if bar.near is not None else bar.paper
        if target is None:
            return "not run"
        met.append(abs(ours - target) <= bar.within + SLACK)
    if bar.above is not None or bar.below is not None:
        target = near_mean(bar, result)
        if target is None:
            return "not run"
        met += [ours <= target + bar.above + SLACK] if bar.above is not None else []
        met += [ours >= target - bar.below - SLACK] if bar.below is not None else []
    if not met:
        return "no bar"
    return "agree" if all(met) else "differ"


def overall(expected: Sequence[Expected], result: Result) -> Verdict:
    """All bars together: one that differs decides; then whether all or some are not run; then one that agrees."""
    found: set[Verdict] = set()
    for bar in expected:
        if not is_asked(bar, result):
            continue
        keys = [key for key in keys_of(result) if bar.covers(key)]
        found |= {judge(bar, result, key) for key in keys} or {"not run"}
        if any(bar.covers(open_["key"]) for open_ in result.get("not_run", [])):
            found.add("not run")
    if "differ" in found:
        return "differ"
    if "not run" in found:
        return "not run" if found == {"not run"} else "partly run"
    return "agree" if "agree" in found else "no bar"


def is_asked(bar: Expected, result: Result) -> bool:
    """Whether a bar is about cells that the result's scale has, finished or open.

    A scale with a matrix of its own may leave out cells, such as those whose data is not at hand.
    """
    if not result.get("own_matrix"):
        return True
    return any(bar.covers(key) for key in [*keys_of(result), *(open_["key"] for open_ in result["not_run"])])


def mean(result: Result, key: Key, metric: str) -> float | None:
    """Mean over the seeds of exactly this key; None where no finished cell has the metric."""
    ours = values(result, key, metric)
    return statistics.fmean(ours) if ours else None


def near_mean(bar: Expected, result: Result) -> float | None:
    """Mean over all cells that ``bar.near`` names; None where none is finished."""
    if bar.near is None:
        return None
    near = bar.near
    found = [value for key in keys_of(result) if contains(key, near.key) for value in values(result, key, near.metric)]
    return statistics.fmean(found) if found else None


def format_limit(bar: Expected) -> str:
    """The bar as text: "≤ 5.0%", "within 3 points of none"; "–" without one."""
    parts = []
    if bar.at_most is not None:
        parts.append(f"≤ {format_given(bar.metric, bar.at_most)}")
    if bar.at_least is not None:
        parts.append(f"≥ {format_given(bar.metric, bar.at_least)}")
    target = "the paper" if bar.near is None else words(bar.near.key)
    if bar.near is not None and bar.near.metric != bar.metric:
        target += f" ({bar.near.metric})"
    limits = ((bar.within, "within {} of"), (bar.above, "at most {} above"), (bar.below, "at most {} below"))
    for limit, phrase in limits:
        if limit is not None:
            distance = f"{limit * 100:.3g} points" if is_rate(bar.metric) else f"{limit:.3g}"
            parts.append(f"{phrase.format(distance)} {target}")
    return " and ".join(parts) or "–"


def format_bar(bar: Expected) -> str:
    """A whole expectation on one line."""
    paper = "" if bar.paper is None else f", paper {format_given(bar.metric, bar.paper)}"
    limit = format_limit(bar)
    return f"{bar.subject()}: {bar.metric}{'' if limit == '–' else f' {limit}'}{paper}"
