"""faceshield faces: whole data sets of faces, made ready for training."""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.cli.engine import open_engine, with_engine
from faceshield.cli.places import Place


@click.group("faces")
def command() -> None:
    """Prepare data sets of faces."""


@command.command()
@click.argument("source", type=Place())
@click.option("-o", "--out", required=True, type=Place(), help="Folder for the crops.")
@click.option(
    "--size", default="112", show_default=True, type=click.Choice(["112", "160"]), help="Side of a crop in pixels."
)
@click.option(
    "--margin", default=0, show_default=True, type=click.IntRange(0),
    help="Pixels more on each side; 8 with size 112 is what recipes and noise are made for.",
)  # fmt: skip
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes that work side by side.")
@click.option("--device", default="cpu", show_default=True)
@with_engine
def align(
    source: Path, out: Path, size: str, margin: int, jobs: int, device: str, engine: str, address: str | None
) -> None:
    """Find the face in every photo of SOURCE and keep it, aligned to five points, as OUT/PERSON/NAME.jpg.

    SOURCE is the unpacked folder of CelebA, VGGFace2, CASIA-WebFace or LFW, or any tree of one folder a person. Run it
    again to go on after an interruption. OUT/align.json lists each photo that could not be
    aligned, with the reason. Exit code 3 where a photo shows no face, 4 where a file is not a picture.
    """
    from functools import partial

    from faceshield.cli.progress import Bars
    from faceshield.core.outputs import refuse_inside
    from faceshield.data.layouts import read_layout
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.faces.dataset import NO_FACE, REPORT, Frame, align_dataset
    from faceshield.training.runtime import Runtime

    refuse_inside(out, source)
    index = read_layout(source)
    detector = partial(AnyRollDetector, Runtime.best(device).device)
    click.echo(f"{source}: {index.kind}, {len(index)} photos of {len(set(index.people))} people", err=True)
    for note in index.notes:
        click.echo(f"  {note}", err=True)
    with Bars() as bars, open_engine(engine, address, jobs) as cluster:
        frame = Frame(int(size), margin)
        done = align_dataset(index, out, detector, frame, jobs=jobs, progress=bars, cluster=cluster)
    click.echo(f"{done.aligned} of {done.photos} photos are aligned")
    for id, reason in list(done.failed.items())[:10]:
        click.echo(f"  {id}: {reason}")
    if len(done.failed) > 10:
        click.echo(f"  and {len(done.failed) - 10} more, see {out / REPORT}")
    unread = any(reason != NO_FACE for reason in done.failed.values())
    click.get_current_context().exit(4 if unread else 3 if done.failed else 0)
