"""faceshield verify: do two photos show one person, to the pretrained recogniser?"""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.cli.weights import RECOGNISER, WEIGHTS, choose_recogniser
from faceshield.core.errors import UnprotectedError
from faceshield.core.outputs import check_new_file


@click.command("verify")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option(
    "--far", default=0.01, show_default=True, help="False accept rate that the decision may have, as it was measured."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Picture (.png) of both aligned faces side by side.")
@click.option(
    "--calibration", type=click.Path(path_type=Path),
    help="Result of the recipe faces/lfw, or verification.json of 'faceshield evaluate verification', to take the"
    " threshold from; by default the one that is shipped, which is for the shipped weights.",
)  # fmt: skip
@RECOGNISER
@WEIGHTS
@click.option("--device", default="cpu", show_default=True)
def command(
    first: Path, second: Path, far: float, out: Path | None, calibration: Path | None, name: str | None,
    weights: Path | None, device: str,
) -> None:  # fmt: skip
    """Compare the largest face of FIRST with that of SECOND: distance, and the decision at a stated rate of error.

    The rate was measured on LFW; photos of another kind have another one. Exit code 3 where a photo shows no face.
    """
    from faceshield.evaluation.calibration import STORED
    from faceshield.evaluation.calibration import read_calibration as read
    from faceshield.evaluation.embed import combine, embed_pairs
    from faceshield.evaluation.enrol import crop
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.imaging.photo import load
    from faceshield.models.weights import find_folder
    from faceshield.training.runtime import Runtime

    if out is not None:
        check_new_file(out, "the picture is PNG", ".png")
    recogniser, _ = choose_recogniser(name, weights, Runtime.best(device).device)
    limit = read(calibration or find_folder() / STORED, far, recogniser.name)
    detector = AnyRollDetector(recogniser.device)
    crops = []
    for path in (first, second):
        face = crop(load(path).rgb8(), detector, align=recogniser.align)
        if face is None:
            raise UnprotectedError(f"{path}: no face was found; give a photo that shows one")
        crops.append(face.image)
    features = [
        combine(embed_pairs(aligned[None].to(recogniser.device), recogniser.forward), unit=False) for aligned in crops
    ]
    distance = float((features[0] - features[1]).norm())
    decision = "same person" if distance <= limit.distance else "different people"
    click.echo(f"distance {distance:.3f}, threshold {limit.distance:.3f}: {decision}")
    low, high = limit.far_ci
    click.echo(
        f"At this threshold {limit.far:.2%} (95 % interval {low:.2%} to {high:.2%}) of different people were taken for"
        f" one, and {limit.tar:.1%} of the same people were recognised ({limit.recipe})."
    )
    if out is not None:
        from faceshield.reports.crops import join_crops

        join_crops(crops, out)
        click.echo(out)
