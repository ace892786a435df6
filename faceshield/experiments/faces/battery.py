"""The battery: a noise against all that a collector may do to undo it, on the crops of people that no generator saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.attacks.base import Countermeasure
from faceshield.attacks.collected import collect, make_pairs
from faceshield.attacks.finetune import BATCH, CLIP, EPOCHS, RATE, FineTuned
from faceshield.attacks.frozen import find_nearest, fit_probe
from faceshield.attacks.table import Name, find_countermeasure
from faceshield.auditing.pretrained import load_recogniser
from faceshield.core.cache import Tensors, load_or_make_tensors
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.data.examples import Examples
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment, describe_sources
from faceshield.experiments.faces.crops import Cloaked, CloakedKey, CropsSettings, cloak_people
from faceshield.faces.align import CANVAS
from faceshield.imaging.crop import DLIB_150, template
from faceshield.imaging.warp import fit_similarity, warp
from faceshield.models import resnet29
from faceshield.noise.surrogate import NOISE_WEIGHTS
from faceshield.training.attack import attack

ON_FEATURES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "frozen-resnet29": find_nearest,
    "probe-resnet29": lambda features, labels, queries: fit_probe(features, labels)(queries),
}
FINE_TUNED = "fine-tuned-resnet29"


class BatterySettings(CropsSettings):
    """``adversarial_epochs``: of adversarial training, whose epochs take twice as long."""

    adversarial_epochs: int


class BatteryKey(CloakedKey):
    """``attacker`` trains a network from scratch, or takes ResNet-29 as it is, probes or fine-tunes it."""

    attacker: Literal["scratch", "frozen-resnet29", "probe-resnet29", "fine-tuned-resnet29"]
    countermeasure: Name


def battery(key: BatteryKey, seed: int, settings: BatterySettings, context: Context) -> dict[str, Any]:
    """One cell.

    A frozen recogniser takes each clean photo for the person of the nearest training photo; a probe learns a linear
    classifier on its features; fine-tuning trains all its layers further. See
    :func:`faceshield.training.attack.attack` for the metrics of training.
    """
    against = find_countermeasure(key.countermeasure)
    made = cloak_people(key, seed, settings, context)
    if key.attacker in ON_FEATURES:
        return _attack_by_features(key.attacker, against, made, context)
    training, clean = made.training(), made.clean()
    if key.attacker == FINE_TUNED:
        return _attack_by_fine_tuning(against, training, clean, made.protected, seed, settings, context)
    training, clean = collect(training, against, settings.size), collect(clean, against, settings.size)
    rng = generator("battery", seed)
    if against.undo is not None:
        others = made.people.select(~made.held & (made.people.labels < made.protected.start))
        training = against.undo(training, make_pairs(others.images, settings.size, rng), rng)
    epochs = settings.adversarial_epochs if against.adversary is not None else settings.epochs
    return attack(
        training, clean, made.protected, seed, context.runtime, epochs=epochs, lr=settings.lr, width=settings.width,
        say=context.say, **against.training(),
    )  # fmt: skip


def _attack_by_fine_tuning(
    against: Countermeasure, training: Examples, clean: Examples, protected: range, seed: int,
    settings: BatterySettings, context: Context,
) -> dict[str, Any]:  # fmt: skip
    if against.undo is not None:
        raise UsageError(f"attacker {FINE_TUNED!r} takes off no noise; give it another countermeasure")
    start = fit_probe(_embed(against.apply(training.images), context), training.labels)
    training, clean = (replace(data, images=_save_chips(against.apply(data.images))) for data in (training, clean))
    return attack(
        training, clean, protected, seed, context.runtime, epochs=min(EPOCHS, settings.epochs), lr=RATE,
        network=FineTuned(resnet29.load(), start), say=context.say, batch=BATCH, clip=CLIP, **against.training(),
    )  # fmt: skip


def _attack_by_features(attacker: str, against: Countermeasure, made: Cloaked, context: Context) -> dict[str, Any]:
    if against.undo is not None or against.training():
        raise UsageError(f"attacker {attacker!r} trains no network; give it a countermeasure that changes pictures")
    labels, held = made.people.labels, made.held
    changed = (made.images != made.people.images).flatten(1).any(1)
    clean = _load_or_embed(against, made.people.images, context)
    features = clean.clone()
    if changed.any():
        features[changed] = _embed(against.apply(made.images[changed]), context)
    guess = ON_FEATURES[attacker](features[made.used], labels[made.used], clean[held])
    right, who = guess == labels[held], torch.isin(labels[held], torch.tensor(list(made.protected)))
    return {
        "protected_accuracy": float(right[who].double().mean()),
        "others_accuracy": float(right[~who].double().mean()),
        "chance": 1 / len(made.people.classes),
        "training_photos": int(made.used.sum()),
        "test_photos": int(held.sum()),
    }


def _load_or_embed(against: Countermeasure, images: Tensor, context: Context) -> Tensor:
    """Those of the clean pictures, kept for the cells of the same countermeasure."""
    path = context.work / f"features-{len(images)}-{against.about.replace(' ', '-')}.safetensors"

    def make() -> Tensors:
        context.say(f"  embedding {len(images)} crops")
        return {"features": _embed(against.apply(images), context)}, {}

    return load_or_make_tensors(path, make, context.runtime.ranks)[0]["features"]


def _embed(images: Tensor, context: Context) -> Tensor:
    """(N, 128) of canvas pictures (N, 3, S, S) uint8."""
    recogniser = load_recogniser(context.runtime.device)
    parts = [
        combine(embed_pairs(_crop_chips(part.to(recogniser.device)), recogniser.forward), unit=False)
        for part in images.split(64)
    ]
    return torch.cat(parts)


def _save_chips(images: Tensor) -> Tensor:
    """(N, 3, 150, 150) uint8, as pictures to train on."""
    return torch.cat([_crop_chips(part).mul(255).round().byte() for part in images.split(256)])


def _crop_chips(images: Tensor) -> Tensor:
    """(N, 3, 150, 150) in [0, 1] of canvas pictures (N, 3, S, S) uint8: the canvas's template on ResNet-29's chip."""
    points = template(images.shape[-1], (CANVAS - 112) / 2)
    return warp(images, fit_similarity(points, DLIB_150), (resnet29.CROP_SIZE, resnet29.CROP_SIZE))


EXPERIMENT = Experiment(
    battery, BatterySettings, BatteryKey, describe_sources, weights=(*NOISE_WEIGHTS, resnet29.RECOGNISER)
)
