"""A result as a table: ours (mean ± standard deviation over seeds), the paper's value, the bar, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from faceshield.core.results import Expected, Result, words
from faceshield.reports.results import format_given, format_number, keys_of, scalars, spread, values
from faceshield.reports.verdict import format_limit, is_asked, judge

HEAD = ("cells", "metric", "ours", "seeds", "paper", "bar", "verdict")


@dataclass(frozen=True)
class Row:
    """One metric of one key, as it is printed; "–" where there is nothing."""

    cells: str
    metric: str
    ours: str
    seeds: str
    paper: str
    bar: str
    verdict: str

    def fields(self) -> tuple[str, ...]:
        """The columns in the order of :data:`HEAD`."""
        return (self.cells, self.metric, self.ours, self.seeds, self.paper, self.bar, self.verdict)


def build_rows(result: Result, expected: Sequence[Expected], metrics: Sequence[str] = ()) -> list[Row]:
    """A row for each key and metric: those asked for and those expected; without either all that are one number.

    An expectation that no finished cell answers gets a row of its own, "not run", but for those about cells that the
    result's scale does not have.
    """
    wanted = [*metrics, *(bar.metric for bar in expected)]
    known = scalars(result)
    shown = list(dict.fromkeys(name for name in wanted if name in known)) or known
    made: list[Row] = []
    answered: set[int] = set()
    for key in keys_of(result):
        for metric in shown:
            ours = values(result, key, metric)
            if not ours:
                continue
            bars = [place for place, bar in enumerate(expected) if bar.metric == metric and bar.covers(key)]
            answered |= set(bars)
            mean_sd = f"{format_number(metric, statistics.fmean(ours))} ± {format_number(metric, spread(ours))}"
            text = mean_sd if len(ours) > 1 else format_number(metric, ours[0])
            start = (words(key), metric, text, str(len(ours)))
            made += [
                Row(
                    *start,
                    _format_paper(expected[place]),
                    format_limit(expected[place]),
                    judge(expected[place], result, key),
                )
                for place in bars
            ] or [Row(*start, "–", "–", "–")]
    return made + [
        Row(bar.subject(), bar.metric, "–", "0", _format_paper(bar), format_limit(bar), "not run")
        for place, bar in enumerate(expected)
        if place not in answered and is_asked(bar, result)
    ]


def render_table(table: Sequence[Row]) -> str:
    """A Markdown table, head included, without a line break at its end."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.fields() for row in table)]
    return "\n".join(f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines)


def _format_paper(bar: Expected) -> str:
    return "–" if bar.paper is None else format_given(bar.metric, bar.paper)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
