"""An audit as one page: who was found by what, with intervals, and what that means and leaves open."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from faceshield.auditing.audit import Audit
from faceshield.auditing.crowd_audit import CrowdAudit
from faceshield.auditing.sides import Kind
from faceshield.core.store import write_bytes
from faceshield.evaluation.search import FAR
from faceshield.models.resnet29 import MATCH_DISTANCE
from faceshield.reports.audit_parts import Line, embed_png, format_cell, render_png, word_verdict
from faceshield.reports.crops import render_row
from faceshield.reports.look import CYCLE, RC
from faceshield.reports.recognisers import COLUMNS as TRAINED_COLUMNS
from faceshield.reports.recognisers import (
    UNMEASURED,
    UNSAID,
    build_trained_lines,
    describe_trained,
    draw_trained,
    explain_trained,
)

COLUMNS = {
    "rank1": "found first",
    "rank10": "among the first ten",
    "match_rate": f"pairs nearer than {MATCH_DISTANCE:g}",
    "tar_at_far_1e-3": f"pairs matched at a false match rate of {FAR:g}",
}
OPEN = (
    "Photos that are online without a cloak stay as they are, and so does every copy of them.",
    "Other recognisers than the one named here were not asked; those that are released later, or trained on cloaked"
    " photos, may undo all of this.",
    "A search engine looks through billions of faces, this one through thousands: ranks are told for comparison, not as"
    " odds of being found. The match rates do not depend on how many people there are.",
    "Names, places, clothes and who else is in a picture find people too.",
)


def write_audit(
    result: Audit, recogniser: str, path: Path, today: datetime.date, trained: CrowdAudit | None = None
) -> None:
    """Write ``result`` as one HTML page that needs nothing beside it. Raises StoreError where it cannot be written.

    ``trained`` adds a section; without it the page says that recognisers trained on the photos were not measured.
    """
    environment = Environment(loader=PackageLoader("faceshield.reports"), autoescape=select_autoescape())
    metrics = result.metrics()
    page = environment.get_template("audit.html").render(
        today=f"{today:%Y-%m-%d}",
        setting=_describe_setting(result, recogniser),
        columns=COLUMNS.values(),
        lines=build_lines(metrics),
        meaning=explain(metrics),
        open=OPEN if trained is not None else (UNMEASURED, *OPEN),
        picture=embed_png(draw_figure(result)),
        pairs=[(pair, embed_png(render_row(pair.faces))) for pair in result.nearest],
        trained=None if trained is None else _build_section(trained),
        lost={kind: side.lost for kind, side in result.sides.items() if side.lost},
        unread=[fault for side in result.sides.values() for fault in side.unread],
    )
    write_bytes(path, page.encode(errors="backslashreplace"))  # a file's name may be no text


def build_lines(metrics: Mapping[tuple[Kind, Kind], Mapping[str, Any]]) -> list[Line]:
    """The table of the four quadrants."""
    return [
        Line(f"{query} photos, searched for among {gallery} ones", tuple(format_cell(rates, name) for name in COLUMNS))
        for (query, gallery), rates in metrics.items()
    ]


def explain(metrics: Mapping[tuple[Kind, Kind], Mapping[str, Any]]) -> list[str]:
    """The result in plain words, a sentence each."""
    before = metrics["clean", "clean"]
    low, high = before["rank1_ci"]
    sentences = [
        f"Without a cloak this recogniser found the person first in {before['rank1']:.0%} of"
        f" {before['queries']} searches (95 % interval {low:.0%} to {high:.0%})."
    ]
    if before["rank1"] < 0.5:
        sentences.append("That is few to begin with, so what follows says little about the cloak.")
    ways: dict[tuple[Kind, Kind], str] = {
        ("cloaked", "clean"): "Searching with a cloaked photo among clean ones",
        ("clean", "cloaked"): "Searching with a clean photo among cloaked ones",
        ("cloaked", "cloaked"): "Searching with a cloaked photo among other cloaked ones",
    }
    for way, words in ways.items():
        after = metrics[way]
        low, high = after["rank1_ci"]
        share = f"{after['rank1']:.0%} were found first (95 % interval {low:.0%} to {high:.0%})"
        sentences.append(f"{words}, {share}. {word_verdict(before['rank1_ci'], after['rank1_ci'])}")
    return sentences


def _build_section(trained: CrowdAudit) -> dict[str, Any]:
    return {
        "meaning": explain_trained(trained),
        "columns": TRAINED_COLUMNS.values(),
        "lines": build_trained_lines(trained),
        "picture": embed_png(draw_trained(trained)),
        "unsaid": UNSAID,
        "setting": describe_trained(trained),
    }


def _describe_setting(result: Audit, recogniser: str) -> dict[str, str]:
    sides = result.sides
    return {
        "clean photos": f"{len(sides['clean'].names)} with a face, in {sides['clean'].root}",
        "cloaked photos": f"{len(sides['cloaked'].names)} with a face, in {sides['cloaked'].root}",
        "index": f"distractors and {_count_photos(result.per_search)} of the person, as many for each kind,"
        " drawn by name",
        "distractors": f"{result.crowd} photos of {result.people} people from Labeled Faces in the Wild"
        + (f"; {result.left_out} left out, whose photos are like the person's own" if result.left_out else ""),
        "recogniser": f"dlib's ResNet-29, frozen (weights {recogniser[:12]}…), our detection and alignment",
        "limit": f"a distance of {result.limit:.3f} lets {FAR:g} of pairs of a clean photo and a distractor through",
    }


def _count_photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"


def draw_figure(result: Audit) -> bytes:
    """PNG: distances between the person's photos in each quadrant, and to distractors."""
    import matplotlib  # seconds that only a finished run should pay
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {
        "clean – clean": result.found["clean", "clean"].distance,
        "clean – cloaked": result.found["clean", "cloaked"].distance,
        "cloaked – cloaked": result.found["cloaked", "cloaked"].distance,
        "clean – distractors": result.different,
    }
    with matplotlib.rc_context(RC):
        drawing = Figure(figsize=(9, 3.6), layout="constrained")
        FigureCanvasAgg(drawing)
        axes = drawing.subplots()
        bins = list(np.linspace(0, float(max(values.max() for values in shown.values())), 60))
        for (name, values), colour in zip(shown.items(), CYCLE, strict=False):
            axes.hist(values.numpy(), bins=bins, density=True, histtype="step", linewidth=1.8, color=colour, label=name)
        axes.axvline(result.limit, color="#999", linestyle=":", label=f"limit {result.limit:.2f}")
        axes.set(xlabel="distance of two photos (smaller is more alike)", ylabel="share of pairs")
        axes.legend()
        return render_png(drawing)
