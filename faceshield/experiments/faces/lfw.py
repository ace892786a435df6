"""The protocol before any claim rests on it: LFW's official pairs by the pretrained ResNet-29, a published figure."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np

from faceshield.auditing.pretrained import load_recogniser
from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.core.types import Progress
from faceshield.data.examples import Examples
from faceshield.data.layouts import read_layout
from faceshield.data.pairs import PairSet, parse_person, read_pairs, sample_pairs
from faceshield.data.synthetic import synthesize_people
from faceshield.data.tree import read_tree
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.evaluation.enrol import Enrolled, Recogniser, enrol
from faceshield.evaluation.verification import Measure, score_pairs, verify_pairs
from faceshield.experiments.engine.context import MADE_HERE, Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source, describe_sources
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.dataset import Frame, align_dataset
from faceshield.faces.kept import KeptDetector
from faceshield.models.pretrained import name_recogniser_weights, pretrained

CANVAS = Frame(112, margin=8)  # the pictures whose middle ``data.canvas.crop_canvas`` takes


class LfwSettings(Settings):
    """``lfw`` holds ``pairs.txt`` and ``images/``; ``classes`` to ``folds`` are for fabricated people only."""

    lfw: Source
    replicates: int
    classes: int | None = None
    photos: int | None = None
    pairs: int | None = None
    folds: int | None = None


class LfwKey(CellKey):
    """``recogniser``: a name of ``models.pretrained`` (``model`` resnet29 says the same of the first one); ``flip``:
    average each photo with its mirror image.
    """

    model: Literal["resnet29"] = "resnet29"
    recogniser: Literal["resnet29", "sface", "fr_feature", "faceres", "mobileface"] = "resnet29"
    flip: bool
    score: Measure


def lfw_pretrained(key: LfwKey, seed: int, settings: LfwSettings, context: Context) -> dict[str, Any]:
    """One cell."""
    recogniser = load_recogniser(context.runtime.device, name=key.recogniser)
    if settings.lfw in MADE_HERE:
        pairs, enrolled = _synthesize_pairs(settings, recogniser, pretrained(key.recogniser).spec.size)
    else:
        pairs, enrolled = _read_official(settings, recogniser, context)
    features = combine(enrolled.raw, flip=key.flip, unit=key.score == "cosine")
    scores = score_pairs(features, enrolled.found, enrolled.ids, pairs, key.score)
    metrics = verify_pairs(scores, pairs, replicates=settings.replicates, seed=seed).metrics()
    return {**metrics, "recogniser": recogniser.name, "precision": "float32"}


def _read_official(settings: LfwSettings, recogniser: Recogniser, context: Context) -> tuple[PairSet, Enrolled]:
    source = context.source(settings.lfw)
    pairs = read_pairs(source / "pairs.txt")
    pairs.require(source / "images")
    detector = KeptDetector(AnyRollDetector(recogniser.device), context.cache_path("faces-at-any-roll"))
    cache = context.work / "enrolled"
    return pairs, enrol(
        source / "images", pairs.ids(), detector, recogniser, cache=cache, progress=_report_slowly(context)
    )


def align_photos(name: str, context: Context) -> Examples:
    """The photos of ``name``'s images/ that show a face, on the noise canvas: 128 pixels, uint8; they are kept.

    Raises UsageError where they are not there.
    """
    source = context.source(name)
    out = context.cache_path(f"aligned-{fingerprint(source)[-12:]}")
    align_dataset(
        read_layout(source / "images"), out, lambda: AnyRollDetector(context.runtime.device), CANVAS,
        progress=_report_slowly(context),
    )  # fmt: skip
    return read_tree(out)


def _report_slowly(context: Context) -> Progress:
    """Progress told twice a minute at most."""
    said = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said > 30:
            said = time.monotonic()
            context.say(f"  {stage}: {done} of {total} photos")

    return tell


def _synthesize_pairs(settings: LfwSettings, recogniser: Recogniser, size: int) -> tuple[PairSet, Enrolled]:
    """Drawn faces as chips: no detector finds a face in them."""
    people = synthesize_people(settings.classes, settings.photos, seed=1, size=size)
    each, folds = settings.pairs, settings.folds
    if each is None or folds is None:
        raise UsageError("fabricated pairs need pairs and folds; add them to the settings")
    names = [parse_person(id) for id in people.ids]
    pairs = sample_pairs(people.ids, names, same=each, different=each, folds=folds)
    raw = embed_pairs(people.images.to(recogniser.device), recogniser.forward)
    return pairs, Enrolled(people.ids, raw, np.ones(len(people), np.bool_))


EXPERIMENT = Experiment(lfw_pretrained, LfwSettings, LfwKey, describe_sources, weights=name_recogniser_weights())
