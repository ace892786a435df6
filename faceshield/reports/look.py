"""One look for all figures: colours, the claim above, device and seeds below, PNG and SVG of the same drawing."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceshield.core.errors import UsageError
from faceshield.core.results import Result
from faceshield.core.store import write_bytes
from faceshield.reports.results import format_seeds, is_rate

if TYPE_CHECKING:  # matplotlib takes seconds that only a finished recipe should pay
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RC: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e3e3e3",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "faceshield",  # the same drawing is the same bytes
}
# Okabe and Ito: told apart with any colour vision; a noise or a group keeps its colour in every figure
FIXED = {
    "none": "#4d4d4d",
    "random": "#56b4e9",
    "error-max": "#e69f00",
    "error-min": "#d55e00",
    "bank": "#0072b2",
    "tailored": "#009e73",
    "accuracy on protected people": "#d55e00",
    "accuracy on everybody else": "#0072b2",
}
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
NAMES = {
    "test_accuracy_final": "clean test accuracy, last epoch",
    "test_accuracy_peak": "clean test accuracy, best epoch",
    "curve_test": "clean test accuracy",
    "curve_protected": "accuracy on protected people",
    "curve_cloaked": "their cloaked photos known by the noise",
    "curve_others": "accuracy on everybody else",
    "curve_added": "accuracy on the added class",
    "curve_compared": "accuracy on the class compared",
    "protected_accuracy": "accuracy on protected people",
    "others_accuracy": "accuracy on everybody else",
}
PAPER, BAR, END = "the paper", "the bar that the claim sets", "the paper's final value"
SHARED = (PAPER, END, BAR)
CHARACTER = 0.083  # inches that a letter of the title takes


def format_name(metric: str) -> str:
    """A metric as an axis calls it."""
    return NAMES.get(metric, metric.replace("_", " "))


def assign_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name: the fixed one of a noise, else the next that no other name here has."""
    chosen = {name: FIXED[name] for name in names if name in FIXED}
    free = [colour for colour in CYCLE if colour not in chosen.values()] or list(CYCLE)
    rest = [name for name in dict.fromkeys(names) if name not in chosen]
    return {**chosen, **{name: free[number % len(free)] for number, name in enumerate(rest)}}


def make_panels(
    result: Result, count: int, width: float = 4.6, height: float = 3.4, columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """A captioned figure of ``count`` panels of ``width`` × ``height`` inches; those in a row share their y axis."""
    from matplotlib.figure import Figure

    wide = 2 if count == 4 and columns > 2 else min(count, columns)
    rows = -(-count // wide)
    figure = Figure(figsize=(max(7.2, wide * width), rows * height + 1.3), layout="constrained")
    axes = list(figure.subplots(rows, wide, squeeze=False, sharey=True).flat)
    for unused in axes[count:]:
        unused.remove()
    _add_caption(figure, result)
    return figure, axes[:count]


def add_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, below them and above the footer; what all share comes last."""
    known: dict[str, Artist] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    labels = [*(label for label in known if label not in SHARED), *(label for label in SHARED if label in known)]
    columns = max(1, min(len(known), int(figure.get_figwidth() / (0.075 * max(map(len, labels)) + 0.6))))
    engine: Any = figure.get_layout_engine()
    left, below, wide, high = engine.get()["rect"]
    rows = 0.22 * -(-len(known) // columns) / figure.get_figheight()
    engine.set(rect=(left, below + rows, wide, high - rows))
    figure.legend(
        [known[label] for label in labels],
        labels,
        loc="lower center",
        bbox_to_anchor=(0, below, 1, 1),
        ncols=columns,
        borderaxespad=0,
    )


def _add_caption(figure: Figure, result: Result) -> None:
    """The claim above, wrapped; below which recipe, scale, seeds and device; the panels are kept off both."""
    wide, high = figure.get_size_inches()
    title = textwrap.fill(result["claim"], int(wide / CHARACTER), break_on_hyphens=False)
    caption = f"{result['recipe']} at {result['scale']} scale · {format_seeds(result)}"
    caption += f"{' (± is their standard deviation)' if ',' in format_seeds(result) else ''} · {result['device']}"
    if result["scale"] == "smoke":
        caption += " · made to test the code: not a result"
    footer = textwrap.fill(caption, int(wide / CHARACTER * 1.4))
    figure.text(0.01, 1 - 0.08 / high, title, ha="left", va="top", fontsize=11)
    figure.text(0.01, 0.06 / high, footer, ha="left", va="bottom", fontsize=7.5, color="#555")
    above, below = (0.21 * len(title.splitlines()) + 0.14) / high, (0.15 * len(footer.splitlines()) + 0.1) / high
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, below, 1, 1 - above - below))


def format_rate_axis(axes: Axes, metrics: Sequence[str], room: float = 0.03) -> None:
    """Per cent from 0 to 100, with ``room`` above, where every metric is a rate."""
    from matplotlib.ticker import PercentFormatter

    if all(is_rate(metric) or metric.startswith("curve") for metric in metrics):
        axes.set_ylim(0, 1 + room)
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path``.png and ``path``.svg (suffixes are added), atomically; the same drawing gives the same bytes."""
    written = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        data = io.BytesIO()
        figure.savefig(data, format=kind, metadata=metadata)
        written.append(path.with_name(f"{path.name}.{kind}"))
        write_bytes(written[-1], data.getvalue())
    return written


def require(found: Sequence[object], result: Result, what: str) -> None:
    """Raises UsageError where a figure's numbers are not in the result."""
    if not found:
        raise UsageError(f"{result['recipe']}: no cell holds {what}; correct the recipe's plot keys")
