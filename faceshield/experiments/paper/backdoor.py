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
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment
from faceshield.experiments.paper.classify import (
    ClassifySettings,
    CollectorKey,
    DataKey,
    ExposedKey,
    describe_inputs,
    fit,
    measure_outcome,
)
from faceshield.experiments.paper.network import open_split
from faceshield.experiments.paper.noises import NoiseKey, load_or_make_noise
from faceshield.training.loop import predict


class BackdoorKey(NoiseKey, ExposedKey, DataKey, CollectorKey):
    """``percent`` is the share of the training pictures that carry the noise, which must be class-wise."""


def backdoor(key: BackdoorKey, seed: int, settings: ClassifySettings, context: Context) -> dict[str, Any]:
    """One cell.

    ``attack_success`` is the share of clean test pictures that a network takes for another class, drawn for each, when
    they carry that class's noise; ``attack_chance`` the share that it takes for that class without any noise. The
    rest as classify's. Raises UsageError for noise that is not class-wise: a new picture has no noise of its own.
    """
    if key.noise_form() != "class":
        raise UsageError(f"form {key.noise_form()!r} has no noise for new pictures; a backdoor needs form 'class'")
    chosen = settings.select_set(key)
    data, test = open_split(chosen, "train", context).sort(), open_split(chosen, "test", context)
    noise = load_or_make_noise(key, seed, data, test, chosen, context)
    training = unlearnable(data, noise, key.mask(data, seed))
    result = fit(training, test, chosen, key, seed, context)
    target = draw_other_labels(test, seed)
    attacked = add_trigger(test, noise, target)
    success, chance = (
        accuracy(predict(result.model, images, context.runtime), target) for images in (attacked.images, test.images)
    )
    return {
        "attack_success": success,
        "attack_chance": chance,
        **measure_outcome(result, training, test, context, key.names()),
        "seconds_noise": noise.provenance["seconds"],
    }


def add_trigger(test: Examples, noise: Noise, target: Tensor) -> Examples:
    """The pictures with the class-wise noise of ``target`` (n,) int64 instead of their own class's."""
    return unlearnable(replace(test, labels=target), noise)


def draw_other_labels(test: Examples, seed: int) -> Tensor:
    """(n,) int64: for each picture a class that is not its own, each of the others as likely."""
    step = torch.randint(1, len(test.classes), test.labels.shape, generator=generator(seed, "backdoor"))
    return (test.labels + step) % len(test.classes)


EXPERIMENT = Experiment(backdoor, ClassifySettings, BackdoorKey, describe_inputs)
