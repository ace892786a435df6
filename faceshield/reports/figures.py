"""A recipe's figures: which kinds there are, what they show, and where they lie beside the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected, Key, Result, words

Kind = Literal["curves", "bars", "lines", "confusion"]


@dataclass(frozen=True)
class Plot:
    """What a figure shows.

    curves: a metric's list, one number an epoch; a line for each value of ``by`` ("noise"), a panel for each rest of
    the key. bars: groups along ``x`` (the rest of the key), a colour for each value of ``by`` (without it: for each
    metric). lines: ``x`` is a number in the key, a line for each value of ``by`` (the rest of the key), a panel a
    metric. confusion: a matrix for each key. Without ``metrics``: those that the recipe expects something of.
    """

    kind: Kind
    x: str | None = None
    by: str | None = None
    metrics: tuple[str, ...] = ()

    def shown(self, result: Result, fits: Sequence[str], expected: Sequence[Expected], fallback: str) -> list[str]:
        """The metrics to draw, of those that ``fits`` this kind: asked for, else expected, else the one.

        Several kinds share a recipe's ``plot_metrics``, and each takes what it can show; names that no cell has in any
        form come back as they are, for the refusal to tell them.
        """
        asked = list(self.metrics)
        if asked and not any(name in cell["metrics"] for name in asked for cell in result["cells"]):
            return asked
        for names in (asked, list(dict.fromkeys(bar.metric for bar in expected))):
            found = [name for name in names if name in fits]
            if found:
                return found
        return [fallback]


def draw(result: Result, plot: Plot, expected: Sequence[Expected], path: Path) -> list[Path]:
    """Draw one figure and write ``path``.png and ``path``.svg; returns both.

    Raises UsageError where the result has no such metric or key.
    """
    from matplotlib import rc_context

    from faceshield.reports import bars, confusion, curves, lines
    from faceshield.reports.look import RC, save

    kinds = {"curves": curves.curves, "bars": bars.bars, "lines": lines.lines, "confusion": confusion.confusion}
    with rc_context(RC):
        return save(kinds[plot.kind](result, plot, expected), path)


def draw_all(result: Result, plots: Sequence[Plot], expected: Sequence[Expected], path: Path) -> list[Path]:
    """Every figure of a result file, beside it: NAME.SCALE.png and .svg, further ones NAME.SCALE.KIND.png and .svg.

    A recipe that asks for none and whose cells tell who is taken for whom gets its bars and its matrices. Raises
    UsageError as :func:`draw` does, but not while cells are open: a figure whose cells are not run yet is left out.
    """
    stem = path.with_suffix("")
    written: list[Path] = []
    for number, plot in enumerate(list(plots) or _usual(result)):
        place = stem.with_name(f"{stem.name}.{plot.kind}") if number else stem
        try:
            written += draw(result, plot, expected, place)
        except UsageError:
            if result["cells"] and not result.get("not_run"):
                raise
    return written


def label(key: Key, first: str | None = None, without: str | None = None) -> str:
    """A key in words: the value of ``first``, then every other part but ``without``; "" where nothing is left.

    Whatever a plot's keys leave open stays in the words, so that two cells never share a place unseen.
    """
    others = {name: value for name, value in key.items() if name not in (first, without)}
    parts = [str(key.get(first, "–"))] if first is not None else []
    return ", ".join([*parts, *([words(others)] if others else [])])


def paper_of(expected: Sequence[Expected], key: Key, metrics: Sequence[str]) -> float | None:
    """The paper's number for a key and the first of ``metrics`` that it gives."""
    for metric in metrics:
        for bar in expected:
            if bar.metric == metric and bar.paper is not None and bar.covers(key):
                return bar.paper
    return None


def _usual(result: Result) -> list[Plot]:
    groups = ("protected_accuracy", "others_accuracy")
    if result["cells"] and all({"confusion", *groups} <= cell["metrics"].keys() for cell in result["cells"]):
        return [Plot("bars", metrics=groups), Plot("confusion")]
    return []
