"""What a figure of a recipe's result shows, and the words and the paper's number that belong to a key in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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

    def choose_metrics(
        self, result: Result, fits: Sequence[str], expected: Sequence[Expected], fallback: str
    ) -> list[str]:
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


def label(key: Key, first: str | None = None, without: str | None = None) -> str:
    """A key in words: the value of ``first``, then every other part but ``without``; "" where nothing is left.

    Whatever a plot's keys leave open stays in the words, so that two cells never share a place unseen.
    """
    others = {name: value for name, value in key.items() if name not in (first, without)}
    parts = [str(key.get(first, "–"))] if first is not None else []
    return ", ".join([*parts, *([words(others)] if others else [])])


def find_paper_value(expected: Sequence[Expected], key: Key, metrics: Sequence[str]) -> float | None:
    """The paper's number for a key and the first of ``metrics`` that it gives."""
    for metric in metrics:
        for bar in expected:
            if bar.metric == metric and bar.paper is not None and bar.covers(key):
                return bar.paper
    return None
