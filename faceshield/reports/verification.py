"""One run of face verification as a page and as Markdown: curves, scores, the figures with intervals, the setting."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray

from faceshield.core.store import write_bytes
from faceshield.evaluation.roc import RESOLVED, Roc
from faceshield.evaluation.verification import Verification, format_far
from faceshield.reports.look import CYCLE, RC

SAME, DIFFERENT = CYCLE[0], CYCLE[1]
_FLOOR = 1e-4  # where a rate of 0 is drawn on a logarithmic axis


@dataclass(frozen=True)
class Row:
    """One line of the table, as text."""

    name: str
    value: str
    interval: str


def write_report(result: Verification, title: str, setting: Mapping[str, str], folder: Path) -> tuple[Path, Path]:
    """Write ``folder``/verification.html (one file, nothing beside it is needed) and verification.md; their paths.

    ``setting`` says in words how it was measured: which pairs, photos, recogniser, alignment. Raises StoreError where
    the folder cannot be written.
    """
    table = build_rows(result)
    picture = base64.b64encode(draw_figure(result)).decode()
    environment = Environment(loader=PackageLoader("faceshield.reports"), autoescape=select_autoescape())
    page = environment.get_template("verification.html").render(
        title=title, setting=setting, rows=table, picture=picture, notes=write_notes(result)
    )
    html, text = folder / "verification.html", folder / "verification.md"
    write_bytes(html, page.encode(errors="backslashreplace"))
    write_bytes(text, _render_markdown(title, setting, table, write_notes(result)).encode(errors="backslashreplace"))
    return html, text


def build_rows(result: Verification) -> list[Row]:
    """The table: every rate with its 95 % interval, a refused one with a dash."""
    intervals, folds = result.people_ci, result.folds
    table = [
        Row("pairs (same + different)", f"{len(result.pairs)} ({result.roc.positives} + {result.roc.negatives})", ""),
        Row("pairs lost to detection, decided “different”", str(folds.failures), ""),
        Row(
            f"accuracy, {len(folds.accuracies)} folds (mean ± standard error)",
            f"{folds.mean:.2%} ± {folds.se:.2%}",
            _format_span(intervals.get("accuracy")),
        ),
        Row("area under the ROC", f"{result.roc.auc:.4f}", _format_span(intervals.get("auc"), "{:.4f}")),
        Row("equal error rate", f"{result.roc.eer:.2%}", _format_span(intervals.get("eer"))),
    ]
    for target in sorted({*result.points, *result.refused}, reverse=True):
        point = result.points.get(target)
        name = f"true accept rate (1 − FNMR) at a false accept rate (FMR) of {format_far(target)}"
        if point is None:
            table.append(Row(name, "–", "too few pairs"))
            continue
        table.append(Row(name, f"{point.tar:.2%}", _format_span(intervals.get(str(target)))))
        measured = f"false accept rate (FMR) measured there (threshold {point.threshold:.4f})"
        table.append(Row(measured, f"{point.far:.3%}", _format_span(point.far_ci, "{:.3%}")))
    return table


def write_notes(result: Verification) -> list[str]:
    """What a reader must know to read the table, a sentence each."""
    sentences = [
        "Each fold is decided by the threshold that suits the other folds best; a score is higher for more similar"
        " photos.",
        "Intervals are 95 %; those of the false accept rates are Clopper–Pearson over pairs, all others resample people"
        " (pairs share people).",
        "The false accept rate is the false match rate (FMR) of ISO/IEC 19795-1, and 1 − the true accept rate its false"
        " non-match rate (FNMR), where every photo was enrolled; pairs lost to detection count as non-matches here.",
        *result.refused.values(),
    ]
    if not result.people_ci:
        sentences.append("The photos' ids name no person, so that intervals over people could not be had.")
    elif shared := result.pairs.people_in_several_folds():
        sentences.append(f"{len(shared)} people stand in pairs of more than one fold, which flatters the accuracy.")
    return sentences


def draw_figure(result: Verification) -> bytes:
    """PNG: ROC on a linear and on a logarithmic FAR axis, DET, and both kinds' scores."""
    import matplotlib  # seconds that only a finished run should pay
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = result.roc
    with matplotlib.rc_context({**RC, "axes.grid.axis": "both"}):
        drawing = Figure(figsize=(10, 8.4), layout="constrained")
        FigureCanvasAgg(drawing)
        (linear, log), (det, scores) = drawing.subplots(2, 2)
        fpr, tpr = _drop_straight_points(curve)
        for axes in (linear, log):
            axes.plot(fpr if axes is linear else fpr.clip(_FLOOR), tpr, color=SAME)
            axes.set(xlabel="false accept rate (FMR)", ylabel="true accept rate (1 − FNMR)")
        linear.plot([0, 1], [0, 1], ":", color="#999", linewidth=1)
        linear.plot([curve.eer], [1 - curve.eer], "o", color=DIFFERENT, label=f"equal error rate {curve.eer:.2%}")
        linear.set_title(f"ROC, area {curve.auc:.4f}")
        linear.legend(loc="lower right")
        log.set(xscale="log", xlim=(_FLOOR, 1), title="ROC, logarithmic")
        det.plot(fpr.clip(_FLOOR), (1 - tpr).clip(_FLOOR), color=SAME)
        det.set(xscale="log", yscale="log", xlim=(_FLOOR, 1), ylim=(_FLOOR, 1), title="DET")
        det.set(xlabel="false match rate", ylabel="false non-match rate")
        for axes in (log, det):
            axes.axvspan(_FLOOR, RESOLVED / curve.negatives, color="#eee", label=f"fewer than {RESOLVED} false accepts")
            axes.legend(loc="lower right" if axes is log else "upper right")
        known = np.isfinite(result.scores)
        bins = np.histogram_bin_edges(result.scores[known], 60)
        for same, colour, name in ((True, SAME, "same person"), (False, DIFFERENT, "different people")):
            part = result.scores[known & (result.pairs.same == same)]
            scores.hist(part, bins=list(bins), color=colour, alpha=0.6, label=name)
        scores.set(title="scores", xlabel="score (higher is more similar)", ylabel="pairs")
        scores.legend(loc="upper left")
        data = io.BytesIO()
        drawing.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _drop_straight_points(curve: Roc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """FPR and TPR without the points in the middle of a level or upright stretch."""
    fpr, tpr = curve.fpr, curve.tpr
    middle = (np.diff(fpr, 2) == 0) & (np.diff(tpr, 2) == 0)
    keep = np.concatenate([[True], ~middle, [True]])
    return fpr[keep], tpr[keep]


def _format_span(interval: tuple[float, float] | None, form: str = "{:.2%}") -> str:
    return f"{form.format(interval[0])} – {form.format(interval[1])}" if interval else ""


def _render_markdown(title: str, setting: Mapping[str, str], table: list[Row], sentences: list[str]) -> str:
    lines = [f"# {_escape(title)}", "", *(f"- {name}: {_escape(value)}" for name, value in setting.items()), ""]
    lines += ["| | | 95 % interval |", "|---|---|---|"]
    lines += [f"| {_escape(row.name)} | {row.value} | {row.interval} |" for row in table]
    return "\n".join([*lines, "", *(f"{_escape(sentence)}  " for sentence in sentences), ""])


def _escape(text: str) -> str:
    """File names are text: no markup, no table cells, no lines of their own."""
    for sign in "\\`*_<>|[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
