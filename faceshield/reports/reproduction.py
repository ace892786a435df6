"""REPRODUCTION.md and .html: every claim, the paper's numbers, ours at each scale, and whether they agree."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from faceshield.core.results import Expected, Result
from faceshield.core.store import write_bytes
from faceshield.reports.figures import draw_all
from faceshield.reports.plot import Plot
from faceshield.reports.results import format_duration, format_seeds, stand_ins
from faceshield.reports.tables import HEAD, Row, build_rows, render_table
from faceshield.reports.verdict import Verdict, overall

INTRO = (
    "Written by `faceshield recipes report` from recipes/ and recipes/results/; do not edit it. Ours is the mean over"
    " seeds ± their sample standard deviation. *agree* and *differ* say whether the mean meets the bar beside it; *no"
    " bar* means that the number stands for comparison. Scale *paper* is the paper's own setting, *mini* a smaller one"
    " that runs on the named device. Results at scale smoke test the code; they are no reproduction and are not shown."
)


@dataclass(frozen=True)
class Section:
    """One recipe: what it claims and expects, and its results as (result, whether the recipe has changed since)."""

    id: str
    claim: str
    note: str | None
    expected: tuple[Expected, ...]
    plots: tuple[Plot, ...]
    metrics: tuple[str, ...]
    results: tuple[tuple[Result, bool], ...]


@dataclass(frozen=True)
class Part:
    """One scale of one section, ready to print; ``figures`` are PNG files, each with its SVG beside it."""

    scale: str
    verdict: Verdict
    told: str
    table: tuple[Row, ...]
    figures: tuple[Path, ...]


def write_report(sections: Sequence[Section], results: Path, out: Path) -> list[Path]:
    """Write both files into ``out`` and the figures beside the result files in ``results``; returns the two files."""
    parts = {section.id: _build_parts(section, results) for section in sections}
    written = [out / "REPRODUCTION.md", out / "REPRODUCTION.html"]
    write_bytes(written[0], render_markdown(sections, parts, out).encode())
    write_bytes(written[1], render_html(sections, parts).encode())
    return written


def verdict_of(parts: Sequence[Part]) -> str:
    """A recipe's verdict at each scale, or "not run"."""
    return ", ".join(f"{part.verdict} ({part.scale})" for part in parts) or "not run"


def render_markdown(sections: Sequence[Section], parts: dict[str, list[Part]], out: Path) -> str:
    """The whole page; figures are linked relative to ``out``."""
    lines = ["# Reproduction", "", INTRO, "", "| recipe | claim | verdict |", "| --- | --- | --- |"]
    lines += [
        f"| {section.id} | {section.claim.replace('|', '/')} | {verdict_of(parts[section.id])} |"
        for section in sections
    ]
    for section in sections:
        lines += ["", f"## {section.id}", "", section.claim]
        for part in parts[section.id]:
            lines += ["", f"### {section.id} at {part.scale} scale: {part.verdict}", "", part.told]
            lines += ["", render_table(part.table)]
            for figure in part.figures:
                where = Path(os.path.relpath(figure, out)).as_posix()
                lines += ["", f"![{section.id} at {part.scale} scale: {section.claim}]({where})"]
        if not parts[section.id]:
            lines += ["", f"Not run. `faceshield recipes run {section.id}`"]
            if section.expected:
                lines += ["", render_table(_list_unrun(section))]
        if section.note:
            lines += ["", f"Note: {section.note}"]
    return "\n".join(lines) + "\n"


def render_html(sections: Sequence[Section], parts: dict[str, list[Part]]) -> str:
    """The whole page with its figures inside, needing no other file and no network."""
    environment = Environment(loader=PackageLoader("faceshield.reports"), autoescape=select_autoescape())
    return environment.get_template("reproduction.html").render(
        intro=INTRO.replace("`", "").replace("*", ""),
        head=HEAD,
        sections=[
            (section, parts[section.id], verdict_of(parts[section.id]), _list_unrun(section)) for section in sections
        ],
        embedded=_embed,
    )


def _build_parts(section: Section, results: Path) -> list[Part]:
    return [
        Part(
            result["scale"],
            overall(section.expected, result),
            _describe(result, stale),
            tuple(build_rows(result, section.expected, section.metrics)),
            tuple(
                file
                for file in draw_all(
                    result, section.plots, section.expected, results / f"{section.id}.{result['scale']}.json"
                )
                if file.suffix == ".png"
            ),
        )
        for result, stale in section.results
        if result["scale"] != "smoke" and result["cells"]
    ]


def _describe(result: Result, stale: bool) -> str:
    text = f"{format_seeds(result).capitalize()} on {result['device']}; {format_duration(result['wall_s'])}."
    open_ = len(result.get("not_run", []))
    if open_:
        text += f" Not run yet: {open_} of {open_ + len(result['cells'])} cells."
    for name, other in stand_ins(result).items():
        text += f" {other} was read in the place of {name}."
    if stale:
        text += " The recipe's settings have changed since: run it again."
    return text


def _list_unrun(section: Section) -> list[Row]:
    return build_rows({"cells": []}, section.expected)


def _embed(figure: Path) -> str:
    data = base64.b64encode(figure.with_suffix(".svg").read_bytes()).decode()
    return f"data:image/svg+xml;base64,{data}"
