"""The protocol before any claim rests on it: LFW's official pairs by the pretrained ResNet-29, a published figure."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from faceshield.data.examples import Examples
from faceshield.data.layouts import read_layout
from faceshield.data.pairs import PairSet, person_of, read_pairs, sample_pairs
from faceshield.data.tree import read_tree
from faceshield.evaluation.embed import combined, outputs
from faceshield.evaluation.enrol import Enrolled, Recogniser, enrol
from faceshield.evaluation.verification import Measure, pair_scores, verify_pairs
from faceshield.experiments.fabricated import fabricated_people
from faceshield.experiments.inputs import fingerprint
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import MADE_HERE, Settings, Source
from faceshield.faces.align import align_box, cut
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.dataset import Frame, Progress, align_dataset
from faceshield.faces.kept import KeptDetector
from faceshield.models import facenet
from faceshield.models.inception_resnet import CHANNELS
from faceshield.models.pretrained import RESNET29, load
from faceshield.models.pretrained import pretrained as known
from faceshield.training.runtime import Runtime

CANVAS = Frame(112, margin=8)  # the pictures whose middle ``attack.framed`` takes


class LfwSettings(Settings):
    """``lfw`` holds ``pairs.txt`` and ``images/``; ``classes`` to ``folds`` are for fabricated people only."""

    lfw: Source
    replicates: int
    classes: int | None = None
    photos: int | None = None
    pairs: int | None = None
    folds: int | None = None


def pretrained(device: torch.device, file: Path | None = None, name: str = RESNET29) -> Recogniser:
    """The shipped recogniser ``name`` on ``device``, in float32: bf16 keeps two to three digits, thresholds need three.

    ``file`` is that of facenet-pytorch's VGGFace2 weights, to be used in its place on the crops and with the outputs of
    length 1 that are facenet-pytorch's own. Raises StoreError for another file, UsageError for an unknown name.
    """
    runtime = Runtime(device, torch.float32)
    if file is not None:
        inception, digest = runtime.place(facenet.load(file)), facenet.VGGFACE2.checksum.digest
        return Recogniser(
            lambda batch: normalize(runtime.forward(inception, batch)), device, digest, CHANNELS, align_box
        )
    own, embedder = known(name), load(name)
    network = runtime.place(embedder)
    return Recogniser(
        lambda batch: runtime.forward(network, batch), device, own.sha256, embedder.width, partial(cut, chip=own.chip)
    )


def lfw_pretrained(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: recogniser, a name of ``models.pretrained`` (model resnet29 says the same of the first one);
    flip (average each photo with its mirror image); score distance|cosine.
    """
    name = str(key.get("recogniser", RESNET29))
    recogniser = pretrained(context.runtime.device, name=name)
    if settings["lfw"] in MADE_HERE:
        pairs, enrolled = _drawn(settings, recogniser, known(name).chip.size)
    else:
        pairs, enrolled = _official(settings, recogniser, context)
    measure: Measure = "cosine" if key["score"] == "cosine" else "distance"
    features = combined(enrolled.raw, flip=bool(key["flip"]), unit=measure == "cosine")
    scores = pair_scores(features, enrolled.found, enrolled.ids, pairs, measure)
    metrics = verify_pairs(scores, pairs, replicates=settings["replicates"], seed=seed).metrics()
    return {**metrics, "recogniser": recogniser.name, "precision": "float32"}


def data_of(key: Key, settings: dict[str, Any], context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return context.content(settings["lfw"])


def _official(settings: dict[str, Any], recogniser: Recogniser, context: Context) -> tuple[PairSet, Enrolled]:
    source = context.source(settings["lfw"])
    pairs = read_pairs(source / "pairs.txt")
    pairs.require(source / "images")
    detector = KeptDetector(AnyRollDetector(recogniser.device), context.kept("faces-at-any-roll"))
    cache = context.work / "enrolled"
    return pairs, enrol(source / "images", pairs.ids(), detector, recogniser, cache=cache, progress=_patient(context))


def aligned(name: str, context: Context) -> Examples:
    """The photos of ``name``'s images/ that show a face, on the noise canvas: 128 pixels, uint8; they are kept.

    Raises UsageError where they are not there.
    """
    source = context.source(name)
    out = context.kept(f"aligned-{fingerprint(source)[-12:]}")
    align_dataset(
        read_layout(source / "images"), out, lambda: AnyRollDetector(context.runtime.device), CANVAS,
        progress=_patient(context),
    )  # fmt: skip
    return read_tree(out)


def _patient(context: Context) -> Progress:
    """Progress told twice a minute at most."""
    said = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said > 30:
            said = time.monotonic()
            context.say(f"  {stage}: {done} of {total} photos")

    return tell


def _drawn(settings: dict[str, Any], recogniser: Recogniser, size: int) -> tuple[PairSet, Enrolled]:
    """Drawn faces as chips: no detector finds a face in them."""
    people = fabricated_people(settings["classes"], settings["photos"], seed=1, size=size)
    each = settings["pairs"]
    names = [person_of(id) for id in people.ids]
    pairs = sample_pairs(people.ids, names, same=each, different=each, folds=settings["folds"])
    raw = outputs(people.images.to(recogniser.device), recogniser.forward)
    return pairs, Enrolled(people.ids, raw, np.ones(len(people), np.bool_))
