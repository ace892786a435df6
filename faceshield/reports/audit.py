"""An audit as one page: who was found by what, with intervals, and what that means and leaves open."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from faceshield.auditing.audit import Audit, Findings
from faceshield.auditing.crowd_audit import CrowdAudit
from faceshield.auditing.sides import Kind
from faceshield.core.store import write_bytes
from faceshield.evaluation.search import FAR
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
    "match_rate": f"pairs matched at a false match rate of {FAR:g}",
}
WAYS: dict[tuple[Kind, Kind], str] = {
    ("cloaked", "clean"): "Searching with a cloaked photo among clean ones",
    ("clean", "cloaked"): "Searching with a clean photo among cloaked ones",
    ("cloaked", "cloaked"): "Searching with a cloaked photo among other cloaked ones",
}
JUDGE_COLUMNS = (
    "masks made against it?",
    "without a cloak, found first",
    "clean photo among cloaked, found first",
    "the same, pairs matched",
    "cloaked photo among clean, found first",
    "a tracker that learns reaches",
)
OPEN = (
    "Photos that are online without a cloak stay as they are, and so does every copy of them.",
    "Other recognisers than those named here were not asked, and no commercial service was. Those that are released"
    " later, or trained on cloaked photos, may undo all of this.",
    "A search engine looks through billions of faces, this one through thousands: ranks are told for comparison, not as"
    " odds of being found. The match rates do not depend on how many people there are.",
    "Names, places, clothes and who else is in a picture find people too.",
)


def write_audit(result: Audit, path: Path, today: datetime.date, trained: CrowdAudit | None = None) -> None:
    """Write ``result`` as one HTML page that needs nothing beside it. Raises StoreError where it cannot be written.

    ``trained`` adds a section; without it the page says that recognisers trained on the photos were not measured.
    """
    environment = Environment(loader=PackageLoader("faceshield.reports"), autoescape=select_autoescape())
    page = environment.get_template("audit.html").render(
        today=f"{today:%Y-%m-%d}",
        setting=_describe_setting(result),
        columns=COLUMNS.values(),
        lines=build_lines(result.main.metrics()),
        judges=len(result.findings),
        headline=result.main.judge.title,
        judge_columns=JUDGE_COLUMNS,
        judge_lines=[build_judge_line(found) for found in result.findings.values()],
        meaning=explain_audit(result),
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


def build_judge_line(found: Findings) -> Line:
    """One judge's line of the table of judges."""
    metrics = found.metrics()
    took_part = {None: "not known", True: "yes", False: "no"}[found.white_box]
    cells: list[tuple[tuple[Kind, Kind], str]] = [
        (("clean", "clean"), "rank1"),
        (("clean", "cloaked"), "rank1"),
        (("clean", "cloaked"), "match_rate"),
        (("cloaked", "clean"), "rank1"),
    ]
    shares = (format_cell(metrics[way], name) for way, name in cells)
    tracked = f"{found.reached:.0%} from one clean photo, {found.reached_from_none:.0%} from one cloaked"
    return Line(found.judge.title, (took_part, *shares, tracked))


def explain_audit(result: Audit) -> list[str]:
    """The result in plain words, a sentence each: the headline's figures, then what the other judges and time add."""
    main = result.main
    part = {
        None: "The report of the cloaking run does not say which recognisers the masks were made against",
        True: "The masks were made against it, so it says little of others",
        False: "It took no part in making the masks",
    }[main.white_box]
    sentences = [f"These are the figures of {main.judge.title}. {part}.", *explain(main.metrics())]
    sentences.append(
        f"A tracker that learns from each photo that it recognises reaches {main.reached:.0%} of the cloaked photos"
        f" from one clean photo, and {main.reached_from_none:.0%} from one cloaked photo alone."
    )
    worst = max(result.findings.values(), key=lambda found: found.metrics()["clean", "cloaked"]["rank1"])
    sentences.append(
        f"Of the {len(result.findings)} recognisers asked, {worst.judge.title} finds most: "
        f"{worst.metrics()['clean', 'cloaked']['rank1']:.0%} of the searches with a clean photo among cloaked ones."
    )
    return sentences


def explain(metrics: Mapping[tuple[Kind, Kind], Mapping[str, Any]]) -> list[str]:
    """One judge's quadrants in plain words, a sentence each."""
    before = metrics["clean", "clean"]
    low, high = before["rank1_ci"]
    sentences = [
        f"Without a cloak it found the person first in {before['rank1']:.0%} of"
        f" {before['queries']} searches (95 % interval {low:.0%} to {high:.0%})."
    ]
    if before["rank1"] < 0.5:
        sentences.append("That is few to begin with, so what follows says little about the cloak.")
    for way, words in WAYS.items():
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


def _describe_setting(result: Audit) -> dict[str, str]:
    sides, judges = result.sides, [found.judge for found in result.findings.values()]
    return {
        "clean photos": f"{len(sides['clean'].names)} with a face, in {sides['clean'].root}",
        "cloaked photos": f"{len(sides['cloaked'].names)} with a face, in {sides['cloaked'].root}",
        "index": f"distractors and {_count_photos(result.per_search)} of the person, as many for each kind,"
        " drawn by name",
        "distractors": f"{result.crowd} photos of {result.people} people from Labeled Faces in the Wild"
        + (f"; {result.left_out} left out, whose photos are like the person's own" if result.left_out else ""),
        "recognisers": ", ".join(f"{judge.title} (weights {judge.recogniser.name[:12]}…)" for judge in judges)
        + "; frozen, our detection and alignment",
        "limits": ", ".join(f"{judge.title} {judge.limit:.3f}" for judge in judges)
        + f": the distances at a false match rate of {FAR:g} among LFW's pairs, none of which is of this person;"
        f" here {result.main.judge.title} takes {_count_false(result.main):.2g} of the pairs of a clean photo and a"
        " distractor for one person",
    }


def _count_false(found: Findings) -> float:
    return float((found.different < found.judge.limit).double().mean())


def _count_photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"


def draw_figure(result: Audit) -> bytes:
    """PNG: distances between the person's photos in each quadrant, and to distractors."""
    import matplotlib  # seconds that only a finished run should pay
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {
        "clean – clean": result.main.found["clean", "clean"].distance,
        "clean – cloaked": result.main.found["clean", "cloaked"].distance,
        "cloaked – cloaked": result.main.found["cloaked", "cloaked"].distance,
        "clean – distractors": result.main.different,
    }
    with matplotlib.rc_context(RC):
        drawing = Figure(figsize=(9, 3.6), layout="constrained")
        FigureCanvasAgg(drawing)
        axes = drawing.subplots()
        bins = list(np.linspace(0, float(max(values.max() for values in shown.values())), 60))
        for (name, values), colour in zip(shown.items(), CYCLE, strict=False):
            axes.hist(values.numpy(), bins=bins, density=True, histtype="step", linewidth=1.8, color=colour, label=name)
        axes.axvline(result.main.judge.limit, color="#999", linestyle=":", label="limit of a match")
        axes.set(xlabel="distance of two photos (smaller is more alike)", ylabel="share of pairs")
        axes.legend()
        return render_png(drawing)
