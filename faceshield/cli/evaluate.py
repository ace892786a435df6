"""faceshield evaluate: what a recogniser achieves on photos, by a protocol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from faceshield.core.errors import UsageError


@click.group("evaluate")
def command() -> None:
    """Measure a face recogniser by a protocol."""


@command.command()
@click.option(
    "--pairs", required=True, type=click.Path(path_type=Path), help="LFW's pairs.txt, or a CSV left,right,same[,fold]."
)
@click.option("--images", required=True, type=click.Path(path_type=Path), help="Folder of PERSON/FILE.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--suffix", default=".jpg", show_default=True, help="Suffix of the photos that LFW's list names.")
@click.option(
    "--face", default="centre", show_default=True, type=click.Choice(["centre", "largest"]),
    help="Which face of a photo is the person's.",
)  # fmt: skip
@click.option("--score", default="distance", show_default=True, type=click.Choice(["distance", "cosine"]))
@click.option("--flip/--no-flip", default=True, show_default=True, help="Average each photo with its mirror image.")
@click.option(
    "--clean", type=click.Path(path_type=Path),
    help="verification.json of clean photos: its thresholds decide, not those that suit these photos.",
)  # fmt: skip
@click.option("--work", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder for caches.")
@click.option("--seed", default=0, show_default=True, help="Of the intervals' resampling.")
@click.option("--device", default="cpu", show_default=True)
def verification(
    pairs: Path, images: Path, out: Path, suffix: str, face: Any, score: Any, flip: bool, clean: Path | None,
    work: Path, seed: int, device: str,
) -> None:  # fmt: skip
    """Same person or not: the pretrained ResNet-29 on pairs of photos, with ROC, DET, folds and intervals.

    Writes verification.html, .md and .json to --out. Embedded photos are kept under --work, so that an interrupted run
    goes on. A photo without a face counts as decided "different".
    """
    from faceshield.cli.progress import Bars
    from faceshield.core.store import write_json
    from faceshield.data.pairs import read_pairs
    from faceshield.evaluation.embed import combined
    from faceshield.evaluation.enrol import enrol
    from faceshield.evaluation.verification import pair_scores, verify_pairs
    from faceshield.experiments.lfw import pretrained
    from faceshield.faces.mtcnn import MtcnnDetector
    from faceshield.reports.verification import rows, write_report
    from faceshield.training.runtime import Runtime

    chosen = read_pairs(pairs, suffix)
    chosen.require(images)
    thresholds = _thresholds(clean, score, flip) if clean is not None else None
    recogniser = pretrained(Runtime.best(device).device)
    detector = MtcnnDetector(recogniser.device)
    with Bars() as bars:
        done = enrol(
            images, chosen.ids(), detector, recogniser, which=face, cache=work / "enrolled", progress=bars
        )  # fmt: skip
    features = combined(done.raw, flip=flip, unit=score == "cosine")
    scores = pair_scores(features, done.found, done.ids, chosen, score)
    result = verify_pairs(scores, chosen, thresholds=thresholds, seed=seed)
    setting = {
        "pairs": str(pairs),
        "photos": f"{images} ({len(done.ids)} photos, {int((~done.found).sum())} without a face)",
        "recogniser": "ResNet-29 (dlib), MTCNN's five points on its 150-pixel chip",
        "face": f"the {face} one of each photo",
        "score": f"{score}, {'photo and mirror image averaged' if flip else 'without mirror images'}",
        "thresholds": f"those of {clean}" if clean is not None else "of the other folds",
    }
    values = {"setting": setting, "score": score, "flip": flip, "metrics": result.metrics()}
    write_json(out / "verification.json", values)
    page, _ = write_report(result, "Face verification", setting, out)
    for row in rows(result):
        click.echo(f"{row.name}: {row.value}{f'  [{row.interval}]' if row.interval else ''}")
    click.echo(page)


def _thresholds(path: Path, score: str, flip: bool) -> list[float]:
    """The folds' thresholds in a verification.json of the same score."""
    from faceshield.core.store import read_json

    value = read_json(path)
    try:
        if (value["score"], value["flip"]) != (score, flip):
            raise UsageError(f"{path}: was made with --score {value['score']}, flip {value['flip']}; use the same here")
        return [math.inf if limit is None else float(limit) for limit in value["metrics"]["fold_thresholds"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: is no verification.json ({error!r}); make it by this command") from None
