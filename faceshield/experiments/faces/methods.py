"""Every noise method on the crops of people, equally visible, against what a collector may do: methods/faces."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import field_validator

from faceshield.attacks.collected import collect
from faceshield.attacks.table import Name, find_countermeasure
from faceshield.core.errors import UsageError
from faceshield.core.plugins import name_all
from faceshield.core.schema import suggest
from faceshield.data.examples import HELD_OUT
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, describe_sources
from faceshield.experiments.faces.crops import read_people
from faceshield.experiments.faces.method_noises import TAILORED, MadeSettings, load_or_make
from faceshield.noise.registry import GROUP, METHODS
from faceshield.noise.surrogate import NOISE_WEIGHTS
from faceshield.training.attack import attack


class MethodsSettings(MadeSettings):
    """``collected``: so many people, the last (all, if not given), of whom the last ``protect`` are protected."""

    collected: int | None = None


class MethodsKey(CellKey):
    """``noise``: none, left-out (the protected people's photos are not there), tailored (as the command makes it), a
    method of ``noise.registry`` or of another package, or two of them joined by "+".
    """

    noise: str
    countermeasure: Name

    @field_validator("noise")
    @classmethod
    def _known_noise(cls, noise: str) -> str:
        known = name_all(GROUP, METHODS)
        for part in noise.split("+"):
            words = ["none", "left-out", TAILORED, *known] if part == noise else known
            if part not in words:
                raise ValueError(f"{part!r} is unknown; use {', '.join(words)}{suggest(part, words)}")
        return noise


def methods(key: MethodsKey, seed: int, settings: MethodsSettings, context: Context) -> dict[str, Any]:
    """One cell.

    See :func:`faceshield.training.attack.attack` for the metrics of training, and
    :func:`faceshield.experiments.faces.method_noises.load_or_make` for those of the noise.
    """
    against = find_countermeasure(key.countermeasure)
    if against.undo is not None:
        raise UsageError(f"countermeasure {key.countermeasure!r} learns from pairs, which nobody has of other methods")
    people = read_people(settings, context)
    people = people.select_classes(people.classes[-(settings.collected or len(people.classes)) :])
    protected = range(len(people.classes) - settings.protect, len(people.classes))
    held = people.hold_out(HELD_OUT, seed=0)
    training, clean = people.select(~held), people.select(held)
    wearing, about = torch.isin(training.labels, torch.tensor(list(protected))), dict[str, Any]()
    if key.noise == "left-out":
        training = training.select(~wearing)
    elif key.noise != "none":
        own = training.select_classes(people.classes[protected.start :])
        noise = load_or_make(key.noise, own, seed, settings, context)
        training, about = unlearnable(training, noise, wearing), dict(noise.provenance)
    training, clean = collect(training, against, settings.size), collect(clean, against, settings.size)
    metrics = attack(
        training, clean, protected, seed, context.runtime, epochs=settings.epochs, lr=settings.lr,
        width=settings.width, say=context.say, **against.training(),
    )  # fmt: skip
    return {**metrics, **about}


EXPERIMENT = Experiment(methods, MethodsSettings, MethodsKey, describe_sources, weights=NOISE_WEIGHTS)
