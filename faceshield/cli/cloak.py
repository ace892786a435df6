"""faceshield cloak: photos in, the same photos with a person's noise out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from faceshield.cli.engine import open_engine, with_engine
from faceshield.cli.places import Place
from faceshield.cli.progress import Bars
from faceshield.core.address import Address
from faceshield.core.budget import parse_epsilon
from faceshield.core.errors import UsageError

if TYPE_CHECKING:
    from faceshield.cloaking.report import CloakReport


@click.command("cloak")
@click.argument("photos", nargs=-1, required=True, type=Place(stores=True))
@click.option("-o", "--out", required=True, type=Place(stores=True), help="Folder for the cloaked photos.")
@click.option("--identity", default="me", show_default=True, help="Whose noise; made on first use, then reused.")
@click.option("--epsilon", default="8/255", show_default=True, help="Largest change of any pixel value.")
@click.option(
    "--face", default="largest", show_default=True,
    help="largest, all, a number from 'faceshield detect', X,Y,W,H, or several joined by +, such as 1+3.",
)  # fmt: skip
@click.option("--like", type=Place(), help="Take the face most like the one in this picture.")
@click.option(
    "--against", default="training", type=click.Choice(["training", "search", "both"]), show_default=True,
    help="training: recognisers trained on the photos; search: one that compares them as it is; both share epsilon.",
)  # fmt: skip
@click.option(
    "--scatter/--no-scatter", default=True, show_default=True,
    help="Against search: lead each photo towards another person drawn for it, or only away from the person.",
)  # fmt: skip
@click.option(
    "--recogniser", "recognisers", multiple=True,
    help="Against search: make masks against this recogniser, such as sface, in place of the tool's choice; repeat it.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Path(path_type=Path),
    help="Against search: make masks against this recogniser too, facenet-pytorch's VGGFace2 file as 'faceshield data"
    " get vggface2' leaves it.",
)  # fmt: skip
@click.option(
    "--look", default="balanced", type=click.Choice(["natural", "balanced", "strong"]), show_default=True,
    help="Against training: natural has less noise on smooth skin and walls, strong is at epsilon nearly everywhere.",
)  # fmt: skip
@click.option("--fast", is_flag=True, help="Use a ready-made public noise instead of a private one.")
@click.option(
    "--frames", default="all", type=click.Choice(["all", "first"]), show_default=True,
    help="Of a moving GIF, PNG, WebP or AVIF: cloak each frame that shows the face, or only save the first as a still"
    " picture.",
)  # fmt: skip
@click.option("--format", "format_", default="same", type=click.Choice(["same", "png", "jpeg", "webp"]))
@click.option("--quality", default="same", show_default=True, help="same (the file's own) or 1 to 100.")
@click.option("--metadata", default="keep", type=click.Choice(["keep", "no-location", "none"]), show_default=True)
@click.option("--jobs", default=0, help="Photos at a time; 0 is one per core, at most 4.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run in the same output folder.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option(
    "--work", type=click.Path(path_type=Path),
    help="Folder for the copies of photos at an s3:// address; they are deleted in the end.",
)  # fmt: skip
@with_engine
def command(
    photos: tuple[Path | Address, ...],
    out: Path | Address,
    format_: Any,
    quality: str,
    epsilon: str,
    device: str,
    work: Path | None,
    engine: str,
    address: str | None,
    **rest: Any,
) -> None:
    """Cloak PHOTOS (files or folders) into the folder OUT; the originals are only read.

    By default acts on recognisers trained on the cloaked photos, and only if few uncloaked photos of the person are in
    their training set; --against search acts on recognisers that compare photos instead. OUT/faceshield.json says
    what happened to each photo. PHOTOS and OUT may be s3:// addresses (docs/cluster.md).
    """
    with Bars() as bars:
        bars("starting", 0, 1)  # torch takes seconds to load
        from faceshield.cloaking.options import Options

        options = Options(epsilon=parse_epsilon(epsilon), format=format_, quality=_parse_quality(quality), **rest)
        bars("starting", 1, 1)
        with open_engine(engine, address, options.workers) as cluster:
            report = _cloak(photos, out, options, work, device=device, progress=bars, cluster=cluster)
    _print_summary(report, out)
    click.get_current_context().exit(report.exit_code)


def _cloak(
    photos: Sequence[Path | Address], out: Path | Address, options: Any, work: Path | None, **how: Any
) -> CloakReport:
    """Cloak where the photos are, or in copies where they or ``out`` are in a store."""
    from faceshield.cloaking.run import cloak
    from faceshield.cloaking.staged import cloak_staged

    paths = [each for each in photos if isinstance(each, Path)]
    if isinstance(out, Address) or len(paths) < len(photos):
        return cloak_staged(photos, out, options, work=work, **how)
    if work is not None:
        raise UsageError(f"work {str(work)!r} is for copies of photos at an address; leave it out")
    return cloak(paths, out, options, **how)


def _parse_quality(text: str) -> Literal["same"] | int:
    if text == "same":
        return "same"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"quality {text!r} is not a number; use 'same' or 1 to 100") from None


def _print_summary(report: Any, out: Path | Address) -> None:
    """Print what was cloaked, what was left unprotected and why, and the private facts that the files still hold."""
    from faceshield.models.pretrained import PRETRAINED

    cloaked, unprotected, failed = (report.select(status) for status in ("cloaked", "unprotected", "failed"))
    faces = [face for photo in cloaked for face in photo.faces]
    click.echo(f"{len(cloaked)} cloaked, {len(unprotected)} left unprotected, {len(failed)} failed  →  {out}")
    if faces:
        similarity = sum(face.ssim_face for face in faces) / len(faces)
        worst = max(face.linf_255 for face in faces)
        tint = sum(face.delta_e_mean or 0 for face in faces) / len(faces)
        click.echo(
            f"largest change {worst:g}/255 before encoding, mean similarity in the face {similarity:.3f} (SSIM),"
            f" mean colour difference {tint:.1f} (CIEDE2000)"
        )
    if report.identity:
        kind = "private" if report.identity["kind"] == "private" else "public (--fast)"
        click.echo(
            f"identity {report.identity['name']!r}: {kind} noise,"
            f" correlation with the public bank {report.identity['bank_correlation']:.2f}"
        )
    for title, photos in (("unprotected", unprotected), ("failed", failed)):
        for photo in photos:
            click.echo(f"{title}: {photo.reason}", err=True)
    for photo in cloaked:
        if photo.still_matched:
            names = ", ".join(PRETRAINED[name].title for name in photo.still_matched)
            click.echo(
                f"still found: {photo.output} matches a clean photo of the person for {names}; small and blurred faces"
                " take little of a mask",
                err=True,
            )
    for word in ("stripped", "notices", "changes"):
        counts: dict[str, int] = {}
        for photo in cloaked:
            for text in getattr(photo, word):
                counts[text] = counts.get(text, 0) + 1
        for text, count in sorted(counts.items()):
            click.echo(f"{'note' if word == 'notices' else word}: {text} ({count} of {len(cloaked)} photos)")
    for notice in report.notices:
        click.echo(f"note: {notice}")
    if report.ignored:
        click.echo(f"note: {len(report.ignored)} other files in the folders were not looked at")
