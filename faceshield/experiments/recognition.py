"""Face recognition on partially unlearnable data (paper §4.5, Fig. 4b): a few people are protected among many."""

from __future__ import annotations

from typing import Any

import torch

from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.attack import attack
from faceshield.experiments.identities import (
    HELD_OUT,
    IdentitySettings,
    handed_noise,
    network_of,
    people_of,
    training_of,
)
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import checked
from faceshield.training.loop import seeded


class RecognitionSettings(IdentitySettings):
    """Nothing beside what people, noise and training need."""


def recognition(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise none, or as :func:`faceshield.experiments.identities.handed_noise` has it; variant;
    model resnet18 | inception_resnet_v1.

    protected_accuracy and others_accuracy are shares of clean held-out photos; see
    :func:`faceshield.experiments.attack.attack`.
    """
    own = checked(RecognitionSettings, settings, "settings")
    assert isinstance(own, RecognitionSettings)
    people = people_of(own, context)
    held = people.held_out(HELD_OUT, seed=0)
    training, clean = people.select(~held), people.select(held)
    protected = range(len(people.classes) - own.protect, len(people.classes))
    told: dict[str, Any] = {}
    if key["noise"] != "none":
        noise = handed_noise(key, seed, training, [people.classes[label] for label in protected], own, context)
        errors = noise.provenance.get("errors", [])
        told = {"rounds": len(errors), "error_final": errors[-1]} if errors else {}
        training = unlearnable(training, noise, torch.isin(training.labels, torch.tensor(protected)))
    model = str(key["model"])
    network = seeded(lambda: network_of(model, len(people.classes), own.width, own.head), seed)
    how = training_of(model, own)
    return {**attack(training, clean, protected, seed, own.model_dump(), context, own.augment, network, **how), **told}
