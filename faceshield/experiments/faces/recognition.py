"""Face recognition on partially unlearnable data (paper §4.5, Fig. 4b): a few people are protected among many."""

from __future__ import annotations

from typing import Any

import torch

from faceshield.data.examples import HELD_OUT
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment, describe_sources
from faceshield.experiments.faces.identities import (
    HandedKey,
    IdentitySettings,
    assign_noise,
    list_training_options,
    read_people,
)
from faceshield.models.recognition import build_network
from faceshield.noise.surrogate import BANK
from faceshield.training.attack import AUGMENTS, attack
from faceshield.training.loop import build_seeded


class RecognitionSettings(IdentitySettings):
    """Nothing beside what people, noise and training need."""


def recognition(key: HandedKey, seed: int, settings: RecognitionSettings, context: Context) -> dict[str, Any]:
    """One cell.

    protected_accuracy and others_accuracy are shares of clean held-out photos; see
    :func:`faceshield.training.attack.attack`.
    """
    people = read_people(settings, context)
    held = people.hold_out(HELD_OUT, seed=0)
    training, clean = people.select(~held), people.select(held)
    protected = range(len(people.classes) - settings.protect, len(people.classes))
    extra: dict[str, Any] = {}
    if key.noise != "none":
        noise = assign_noise(key, seed, training, [people.classes[label] for label in protected], settings, context)
        errors = noise.provenance.get("errors", [])
        extra = {"rounds": len(errors), "error_final": errors[-1]} if errors else {}
        training = unlearnable(training, noise, torch.isin(training.labels, torch.tensor(protected)))
    network = build_seeded(lambda: build_network(key.model, len(people.classes), settings.width, settings.head), seed)
    metrics = attack(
        training, clean, protected, seed, context.runtime, epochs=settings.epochs, lr=settings.lr, network=network,
        augment=AUGMENTS[settings.augment], say=context.say, **list_training_options(key.model, settings),
    )  # fmt: skip
    return {**metrics, **extra}


EXPERIMENT = Experiment(recognition, RecognitionSettings, HandedKey, describe_sources, weights=(BANK,))
