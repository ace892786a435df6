"""Fig. 8 (Appendix H): is class-wise noise a backdoor? A target's noise on clean test pictures, and who obeys it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import accuracy
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.paper.classify import ClassifySettings, CollectorKey, DataKey, fit, inputs_of, outcome
from faceshield.experiments.paper.fitted import open_split
from faceshield.experiments.paper.noises import NoiseKey, noise_of
from faceshield.experiments.paper.protected import ExposedKey, exposure
from faceshield.training.loop import predict


class BackdoorKey(NoiseKey, ExposedKey, DataKey, CollectorKey):
    """``percent`` is the share of the training pictures that carry the noise, which must be class-wise."""


def backdoor(key: BackdoorKey, seed: int, settings: ClassifySettings, context: Context) -> dict[str, Any]:
    """One cell.

    ``attack_success`` is the share of clean test pictures that a network takes for another class, drawn for each, when
    they carry that class's noise; ``attack_chance`` the share that it takes for that class without any noise. The
    rest as classify's. Raises UsageError for noise that is not class-wise: a new picture has no noise of its own.
    """
    if key.made_in() != "class":
        raise UsageError(f"form {key.made_in()!r} has no noise for new pictures; a backdoor needs form 'class'")
    own = settings.of(key)
    data, test = open_split(own, "train", context).sorted(), open_split(own, "test", context)
    noise = noise_of(key, seed, data, test, own, context)
    training = unlearnable(data, noise, exposure(key, seed).mask(data))
    made = fit(training, test, own, key, seed, context)
    target = other_labels(test, seed)
    attacked = triggered(test, noise, target)
    success, chance = (
        accuracy(predict(made.model, images, context.runtime), target) for images in (attacked.images, test.images)
    )
    return {
        "attack_success": success,
        "attack_chance": chance,
        **outcome(made, training, test, context, key.names()),
        "seconds_noise": noise.provenance["seconds"],
    }


def triggered(test: Examples, noise: Noise, target: Tensor) -> Examples:
    """The pictures with the class-wise noise of ``target`` (n,) int64 instead of their own class's."""
    return unlearnable(replace(test, labels=target), noise)


def other_labels(test: Examples, seed: int) -> Tensor:
    """(n,) int64: for each picture a class that is not its own, each of the others as likely."""
    step = torch.randint(1, len(test.classes), test.labels.shape, generator=generator(seed, "backdoor"))
    return (test.labels + step) % len(test.classes)


EXPERIMENT = Experiment(backdoor, ClassifySettings, BackdoorKey, inputs_of)
