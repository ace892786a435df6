"""The main job, measured: photos cloaked by the command line, a collector who knows nothing of us, clean tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from faceshield.auditing.framing import Collector
from faceshield.core.cache import Tensors, load_or_make_tensors
from faceshield.core.rng import derive_seed
from faceshield.data.examples import HELD_OUT, Examples, concatenate
from faceshield.evaluation.distractors import name_mask_weights
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.experiments.faces.command import Cloak, cloak, visibility
from faceshield.noise.surrogate import NOISE_WEIGHTS
from faceshield.training.attack import attack

Files = list[tuple[str, str, Path]]


class SelfieSettings(Settings):
    """``held_out`` photos a person are for the test; ``roll`` in degrees turns the crowd."""

    selfies: Source
    people: Source
    held_out: int
    roll: float
    size: int
    width: int
    epochs: int
    lr: float


class SelfieKey(CellKey):
    """``noise`` is what the person cloaks with."""

    noise: Literal["none"] | Cloak


def selfie(key: SelfieKey, seed: int, settings: SelfieSettings, context: Context) -> dict[str, Any]:
    """One cell."""
    train, test = _split(_list_files(context.source(settings.selfies)), settings.held_out)
    collector = Collector(settings.size)
    # the crowd comes aligned by whoever made it; turned by an ordinary roll it looks like everybody else's photos
    turned = Collector(settings.size, roll=settings.roll)
    crowd = _load_or_frame(_list_files(context.source(settings.people)), turned, context, "crowd")
    held = crowd.hold_out(HELD_OUT, seed=0)
    clean = _load_or_frame(test, collector, context, "selfies-test")
    visible: dict[str, Any] = {}
    if key.noise == "none":
        selfies = _load_or_frame(train, collector, context, "selfies-train")
    else:
        cloaked, visible = _cloak_all(train, key.noise, context)
        selfies = _load_or_frame(cloaked, collector, context, f"selfies-{key.noise}")
    training = concatenate([crowd.select(~held), selfies])
    protected = range(len(crowd.classes), len(training.classes))
    return {
        **attack(
            training,
            concatenate([crowd.select(held), clean]),
            protected,
            seed,
            context.runtime,
            epochs=settings.epochs,
            lr=settings.lr,
            width=settings.width,
            say=context.say,
        ),
        **visible,
        "dropped_by_collector": len(train) - len(selfies),
    }


def _list_files(root: Path) -> Files:
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return [
        (path.parent.name, f"{path.parent.name}/{path.name}", path) for f in folders for path in sorted(f.iterdir())
    ]


def _split(files: Files, count: int) -> tuple[Files, Files]:
    """(the rest, ``count`` of each person's files) in an order drawn from the ids alone."""
    train: Files = []
    test: Files = []
    for person in dict.fromkeys(name for name, _, _ in files):
        of_person = sorted(
            (file for file in files if file[0] == person), key=lambda file: derive_seed("held out", file[1])
        )
        test += sorted(of_person[:count])
        train += sorted(of_person[count:])
    return train, test


def _load_or_frame(files: Files, collector: Collector, context: Context, name: str) -> Examples:
    """The collector's crops of ``files``, cached: detection takes longer than training."""
    path = context.work / f"framed-{name}-{collector.size}.safetensors"

    def make() -> Tensors:
        context.say(f"  the collector looks for faces in {len(files)} photos ({name})")
        made = collector.frame_all(files)
        return {"images": made.images, "labels": made.labels}, {"ids": made.ids, "classes": made.classes}

    tensors, fields = load_or_make_tensors(path, make, context.runtime.ranks)
    return Examples(tensors["images"], tensors["labels"], tuple(fields["ids"]), tuple(fields["classes"]))


def _cloak_all(files: Files, noise: Cloak, context: Context) -> tuple[Files, dict[str, Any]]:
    """Run ``faceshield cloak`` once a person, as its user would, and say how visible the result is.

    The cloak is the same for every seed; what varies is the collector's training.
    """
    out = context.work / f"cloaked-{noise}"
    cloaked: Files = []
    faces: list[dict[str, Any]] = []
    unprotected = 0
    for person in dict.fromkeys(name for name, _, _ in files):
        of_person = [file for file in files if file[0] == person]
        context.say(f"  cloaking {len(of_person)} photos of {person} ({noise})")
        report = cloak([path for _, _, path in of_person], out / person, noise, f"{noise}-{person}", context)
        for photo, (_, example, path) in zip(report["photos"], of_person, strict=True):
            # what the tool leaves unprotected its user would not upload, so the collector does not get it
            if photo["status"] != "cloaked":
                unprotected += 1
                continue
            faces += photo["faces"]
            cloaked.append((person, example, out / person / photo["output"]))
            assert path.exists(), "originals stay"
    return cloaked, {**visibility(faces), "unprotected_photos": unprotected}


EXPERIMENT = Experiment(selfie, SelfieSettings, SelfieKey, weights=(*NOISE_WEIGHTS, *name_mask_weights()))
