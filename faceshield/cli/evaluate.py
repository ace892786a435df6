"""faceshield evaluate: what a recogniser achieves on photos, by a protocol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from faceshield.cli.weights import RECOGNISER, WEIGHTS, choose_recogniser
from faceshield.core.errors import UsageError


@click.group("evaluate")
def command() -> None:
    """Measure a face recogniser by a protocol."""


@command.command()
@click.option(
    "--pairs", required=True, type=click.Path(path_type=Path), help="LFW's pairs.txt, or a CSV left,right,same,fold."
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
@RECOGNISER
@WEIGHTS
@click.option("--work", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder for caches.")
@click.option("--seed", default=0, show_default=True, help="Of the intervals' resampling.")
@click.option("--device", default="cpu", show_default=True)
def verification(
    pairs: Path, images: Path, out: Path, suffix: str, face: Any, score: Any, flip: bool, clean: Path | None,
    name: str | None, weights: Path | None, work: Path, seed: int, device: str,
) -> None:  # fmt: skip
    """Decide same person or not with a pretrained recogniser on pairs of photos, with ROC, DET, folds and intervals.

    Writes verification.html, .md and .json to --out; 'faceshield verify' can take its threshold from the .json.
    Embedded photos are kept under --work, so that an interrupted run goes on. A photo without a face counts as decided
    "different".
    """
    from faceshield.cli.progress import Bars
    from faceshield.core.outputs import open_folder
    from faceshield.core.store import write_json
    from faceshield.data.pairs import read_pairs
    from faceshield.evaluation.embed import combine
    from faceshield.evaluation.enrol import enrol
    from faceshield.evaluation.folds import refuse_folds
    from faceshield.evaluation.verification import score_pairs, verify_pairs
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.reports.verification import build_rows, write_report
    from faceshield.training.runtime import Runtime

    protocol = read_pairs(pairs, suffix)
    protocol.require(images)
    refuse_folds(protocol.same, protocol.fold)
    recogniser, about = choose_recogniser(name, weights, Runtime.best(device).device)
    decides = {"score": score, "flip": flip, "recogniser": recogniser.name}
    thresholds = _read_thresholds(clean, decides) if clean is not None else None
    open_folder(out, "choose another folder")
    detector = AnyRollDetector(recogniser.device)
    with Bars() as bars:
        done = enrol(
            images, protocol.ids(), detector, recogniser, which=face, cache=work / "enrolled", progress=bars
        )  # fmt: skip
    features = combine(done.raw, flip=flip, unit=score == "cosine")
    scores = score_pairs(features, done.found, done.ids, protocol, score)
    result = verify_pairs(scores, protocol, thresholds=thresholds, seed=seed)
    setting = {
        "pairs": str(pairs),
        "photos": f"{images} ({len(done.ids)} photos, {int((~done.found).sum())} without a face)",
        "recogniser": about,
        "face": f"the {face} one of each photo",
        "score": f"{score}, {'photo and mirror image averaged' if flip else 'without mirror images'}",
        "thresholds": f"those of {clean}" if clean is not None else "of the other folds",
    }
    values = {"setting": setting, **decides, "metrics": result.metrics()}
    write_json(out / "verification.json", values)
    page, _ = write_report(result, "Face verification", setting, out)
    for row in build_rows(result):
        click.echo(f"{row.name}: {row.value}{f'  [{row.interval}]' if row.interval else ''}")
    click.echo(page)


def _read_thresholds(path: Path, decides: dict[str, Any]) -> list[float]:
    """The folds' thresholds in a verification.json of the same score by the same recogniser."""
    from faceshield.core.store import read_json

    value = read_json(path)
    try:
        if any(value[name] != wanted for name, wanted in decides.items()):
            raise UsageError(
                f"{path}: was made with --score {value['score']}, flip {value['flip']}, weights"
                f" {value['recogniser'][:8]}; use the same here"
            )
        return [math.inf if limit is None else float(limit) for limit in value["metrics"]["fold_thresholds"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: is not a verification.json ({error!r}); make it by this command") from None


@command.command()
@click.option(
    "--train", "published", required=True, type=click.Path(path_type=Path),
    help="Folder of PERSON/FILE that a collector would train on, some people's photos cloaked.",
)  # fmt: skip
@click.option(
    "--clean", required=True, type=click.Path(path_type=Path),
    help="Folder of the same people's clean photos; a fifth of each person's is the test.",
)  # fmt: skip
@click.option("--protected", multiple=True, required=True, help="Name of a person with cloaked photos; repeat it.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for recognition.json.")
@click.option("--model", default="resnet18", show_default=True, type=click.Choice(["resnet18", "inception_resnet_v1"]))
@click.option("--size", default=80, show_default=True, help="Pixels to which photos are brought.")
@click.option("--width", default=16, show_default=True, help="Channels of ResNet-18; 64 is the published network.")
@click.option("--epochs", default=16, show_default=True)
@click.option("--lr", default=0.1, show_default=True, help="Learning rate; 0.05 suits inception_resnet_v1.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def recognition(
    published: Path, clean: Path, protected: tuple[str, ...], out: Path, model: str, size: int, width: int, epochs: int,
    lr: float, seed: int, device: str,
) -> None:  # fmt: skip
    """Who is it: train a recogniser on published photos, and ask it about clean ones.

    Photos should be aligned ('faceshield faces align'). A photo that is in the test is left out of the training, by
    its PERSON/NAME. Writes recognition.json to --out, with both groups' accuracy, its peak over the epochs, the
    accuracy of guessing, and who is taken for whom.
    """
    from functools import partial

    import torch

    from faceshield.core.outputs import open_folder
    from faceshield.core.store import write_json
    from faceshield.data.examples import HELD_OUT
    from faceshield.data.tree import read_tree
    from faceshield.models.recognition import build_network
    from faceshield.training.attack import attack
    from faceshield.training.loop import build_seeded
    from faceshield.training.runtime import Runtime

    people = read_tree(clean, size)
    absent = sorted(set(protected) - set(people.classes))
    if absent:
        raise UsageError(f"{clean}: has no person {absent[0]!r}; its people are {', '.join(people.classes[:5])} …")
    test = people.select(people.hold_out(HELD_OUT, seed=0))
    untested = next((name for name in protected if people.classes.index(name) not in test.labels.tolist()), None)
    if untested is not None:
        raise UsageError(f"{clean}: has too few photos of {untested!r} to test with a fifth of them; give at least 3")
    open_folder(out, "choose another folder")
    training = read_tree(published, size, classes=people.classes)
    names = {id.rpartition(".")[0] for id in test.ids}
    kept = [id.rpartition(".")[0] not in names for id in training.ids]
    training = training.select(torch.tensor(kept, dtype=torch.bool))
    network = build_seeded(lambda: build_network(model, len(people.classes), width), seed)
    labels = [people.classes.index(name) for name in protected]
    settings = {"width": width, "epochs": epochs, "lr": lr}
    metrics = attack(
        training, test, labels, seed, Runtime.best(device), epochs=epochs, lr=lr, network=network,
        say=partial(click.echo, err=True),
    )  # fmt: skip
    setting = {"train": str(published), "clean": str(clean), "protected": list(protected), "model": model, "seed": seed}
    write_json(out / "recognition.json", {"setting": {**setting, "size": size, **settings}, "metrics": metrics})
    for name in ("protected_accuracy", "protected_accuracy_peak", "others_accuracy", "chance"):
        if name in metrics:  # nobody is left to be another where all are protected
            click.echo(f"{name}: {metrics[name]:.1%}")
