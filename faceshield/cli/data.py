"""faceshield data: fetch a data set or weights from their official place, or say what a folder holds and lacks."""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.core.errors import UsageError

FOLDER = click.Path(path_type=Path)


@click.group("data")
def command() -> None:
    """Fetch the data sets of the recipes and a recogniser's weights, and look at the data sets that are there.

    Nothing is ever fetched but by 'faceshield data get'. Mind each one's own terms of use.
    """


@command.command()
@click.argument("name")
@click.option(
    "--data", default="data", show_default=True, type=FOLDER, envvar="FACESHIELD_DATA",
    help="Folder that holds the data sets.",
)  # fmt: skip
def get(name: str, data: Path) -> None:
    """Download cifar10, cifar100, svhn or lfw from its official place and check that it arrived whole.

    vggface2 is facenet-pytorch's InceptionResnetV1 trained on that data set: its weights go to weights/ in --data.
    """
    from faceshield.cli.progress import Bars
    from faceshield.core.download import fetch
    from faceshield.data.sources import DATA_SETS
    from faceshield.models.facenet import WEIGHTS

    with Bars(of_bytes=True) as bars:
        paths = fetch(name, {**DATA_SETS, **WEIGHTS}, data, bars)
    for path in paths:
        click.echo(path)


@command.command()
@click.argument("place", metavar="DIR", type=FOLDER)
def check(place: Path) -> None:
    """Say what DIR (a folder, .zip or .tar.gz) is, how much of it is there, and what is missing."""
    from faceshield.data.layouts import read_layout
    from faceshield.data.sources import Split, open_data

    told: list[str] = []
    missing: dict[Split, UsageError] = {}
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        try:
            examples = open_data(place, split)
        except UsageError as error:
            missing[split] = error
            continue
        height, width = examples.images.shape[2:]
        told.append(f"{split}: {len(examples)} pictures of {width}×{height} in {len(examples.classes)} classes")
    if not told:
        try:
            index = read_layout(place)
        except UsageError:
            raise missing["train"] from None
        told.append(f"{index.kind}: {len(index)} photos of {len(set(index.people))} people")
        told += index.notes
        missing = {}
    for line in [*told, *(f"missing: {split}: {error}" for split, error in missing.items())]:
        click.echo(line)
