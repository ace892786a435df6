"""Face recognition on partially unlearnable data (paper §4.5, Fig. 4b): a few people are protected among many."""

from __future__ import annotations

from typing import Any

import torch

from faceshield.data.examples import HELD_OUT
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.faces.identities import (
    HandedKey,
    IdentitySettings,
    data_of,
    handed_noise,
    people_of,
    training_of,
)
from faceshield.models.recognition import network_of
from faceshield.training.attack import AUGMENTS, attack
from faceshield.training.loop import build_seeded


class RecognitionSettings(IdentitySettings):
    """Nothing beside what people, noise and training need."""


def recognition(key: HandedKey, seed: int, own: RecognitionSettings, context: Context) -> dict[str, Any]:
    """One cell.

    protected_accuracy and others_accuracy are shares of clean held-out photos; see
    :func:`faceshield.training.attack.attack`.
    """
    people = people_of(own, context)
    held = people.hold_out(HELD_OUT, seed=0)
    training, clean = people.select(~held), people.select(held)
    protected = range(len(people.classes) - own.protect, len(people.classes))
    told: dict[str, Any] = {}
    if key.noise != "none":
        noise = handed_noise(key, seed, training, [people.classes[label] for label in protected], own, context)
        errors = noise.provenance.get("errors", [])
        told = {"rounds": len(errors), "error_final": errors[-1]} if errors else {}
        training = unlearnable(training, noise, torch.isin(training.labels, torch.tensor(protected)))
    network = build_seeded(lambda: network_of(key.model, len(people.classes), own.width, own.head), seed)
    metrics = attack(
        training, clean, protected, seed, context.runtime, epochs=own.epochs, lr=own.lr, network=network,
        augment=AUGMENTS[own.augment], say=context.say, **training_of(key.model, own),
    )  # fmt: skip
    return {**metrics, **told}


EXPERIMENT = Experiment(recognition, RecognitionSettings, HandedKey, data_of)
