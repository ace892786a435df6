"""faceshield audit: is the person in these photos still found by a frozen recogniser?"""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from faceshield.cli.progress import Bars
from faceshield.core.errors import UsageError


@click.command("audit")
@click.option("--cloaked", required=True, type=click.Path(path_type=Path), help="Folder of a person's cloaked photos.")
@click.option("--clean", required=True, type=click.Path(path_type=Path), help="Folder of other, clean photos of them.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The report to write (.html).")
@click.option("--device", default="cpu", show_default=True)
def command(cloaked: Path, clean: Path, out: Path, device: str) -> None:
    """Search for a person's cloaked and clean photos among each other and among strangers, by a frozen recogniser.

    Tells how often they are found before and after, with intervals, as of today, for the one recogniser that comes with
    the tool. The clean photos must not be the originals of the cloaked ones.
    """
    from faceshield.auditing.audit import audit
    from faceshield.evaluation.strangers import load_strangers
    from faceshield.experiments.lfw import pretrained
    from faceshield.faces.mtcnn import MtcnnDetector
    from faceshield.reports.audit import meaning, write_audit
    from faceshield.training.runtime import Runtime

    if out.suffix.lower() != ".html":
        raise UsageError(f"{out}: the report is a page; name it {out.with_suffix('.html').name}")
    if out.exists():
        raise UsageError(f"{out}: exists already; choose another name")
    recogniser = pretrained(Runtime.best(device).device)
    with Bars() as bars:
        result = audit(cloaked, clean, load_strangers(), MtcnnDetector(recogniser.device), recogniser, bars)
    write_audit(result, recogniser.name, out, datetime.datetime.now(datetime.timezone.utc).date())
    for sentence in meaning(result.metrics()):
        click.echo(sentence)
    click.echo(out)
