"""A recipe's figures: which kinds there are, what they show, and where they lie beside the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected, Result
from faceshield.reports.bars import draw_bars
from faceshield.reports.confusion import draw_confusion
from faceshield.reports.curves import draw_curves
from faceshield.reports.lines import draw_lines
from faceshield.reports.look import RC, save
from faceshield.reports.plot import Plot

KINDS = {"curves": draw_curves, "bars": draw_bars, "lines": draw_lines, "confusion": draw_confusion}


def draw(result: Result, plot: Plot, expected: Sequence[Expected], path: Path) -> list[Path]:
    """Draw one figure and write ``path``.png and ``path``.svg; returns both.

    Raises UsageError where the result has no such metric or key.
    """
    from matplotlib import rc_context

    with rc_context(RC):
        return save(KINDS[plot.kind](result, plot, expected), path)


def draw_all(result: Result, plots: Sequence[Plot], expected: Sequence[Expected], path: Path) -> list[Path]:
    """Every figure of a result file, beside it: NAME.SCALE.png and .svg, further ones NAME.SCALE.KIND.png and .svg.

    Without ``plots``, a result with confusion matrices gets them and its bars. Raises UsageError as :func:`draw` does
    once all cells are run; before, a figure that lacks its cells is left out.
    """
    stem = path.with_suffix("")
    written: list[Path] = []
    for number, plot in enumerate(list(plots) or _choose_plots(result)):
        place = stem.with_name(f"{stem.name}.{plot.kind}") if number else stem
        try:
            written += draw(result, plot, expected, place)
        except UsageError:
            if result["cells"] and not result.get("not_run"):
                raise
    return written


def _choose_plots(result: Result) -> list[Plot]:
    groups = ("protected_accuracy", "others_accuracy")
    if result["cells"] and all({"confusion", *groups} <= cell["metrics"].keys() for cell in result["cells"]):
        return [Plot("bars", metrics=groups), Plot("confusion")]
    return []
