"""Noise for classification experiments: made once for all that decides it, kept, and shared by a recipe's cells."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator
from torch import Tensor, nn

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import Variant
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.plan import digest_of
from faceshield.experiments.engine.settings import CellKey
from faceshield.experiments.paper.fitted import Training, TrainingSettings
from faceshield.experiments.paper.trained import load_or_train
from faceshield.models.zoo import Network, build
from faceshield.noise.base import NoiseMethod
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.file import data_digest, read_noise, write_noise
from faceshield.noise.presets import Setting, find_preset
from faceshield.noise.registry import LEARNER_RATE, TRAINED, MethodName, noise_method
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded


class NoiseKey(CellKey):
    """``noise`` is none, or a method of ``noise.registry``; ``setting`` is of ``noise.presets``, ``size`` a patch's."""

    noise: Literal["none"] | MethodName
    form: Form | None = None
    setting: Setting = "paper"
    size: int | None = None

    def made_in(self) -> Form:
        """The form of a cell's noise; what has one form only needs not say it."""
        return self.form or ("sample" if self.noise.startswith("eq5") else "class")

    def variant(self) -> Variant:
        """How a cell's noise is added to its pictures."""
        return "released-code" if self.setting == "released-code" else "paper"


class NoiseSettings(TrainingSettings):
    """``generate`` maps "NOISE FORM", such as "error-min sample", to settings of its method, over the paper's.

    The surrogate θ has ``surrogate_width`` (``width`` if not given) and learns at ``surrogate_lr`` (the setting's own
    if not given); the network that error-max needs is trained for ``surrogate_epochs`` (``epochs`` if not given).
    """

    epsilon_255: float = 8
    surrogate: Network = "resnet18"
    surrogate_width: int | None = None
    surrogate_lr: float | None = None
    surrogate_epochs: int | None = None
    generate: dict[str, dict[str, Any]] = Field(default={})

    @field_validator("generate")
    @classmethod
    def _known_methods(cls, generate: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Each entry's words and settings are a method's."""
        for entry, own in generate.items():
            name, _, form = entry.partition(" ")
            if form not in get_args(Form):
                raise ValueError(f"{entry!r} names no noise and form; write it like 'error-min sample'")
            try:
                noise_method(name, "sample" if form == "sample" else "class", **{**_SIZE.get(name, {}), **own})
            except UsageError as error:
                raise ValueError(f"{entry}: {error}") from None
        return generate


_SIZE = {"patch": {"patch": [8, 8]}}  # a patch needs one; the key gives it
_DECIDE = set(NoiseSettings.model_fields) - {"generate"}  # what an experiment adds to them decides nothing of a noise


@dataclass(frozen=True)
class NoiseJob:
    """How a cell's noise is made, with the learning rate of θ, and the file that keeps it."""

    method: NoiseMethod
    rate: float
    path: Path


def noise_of(
    key: NoiseKey,
    seed: int,
    data: Examples,
    test: Examples,
    settings: NoiseSettings,
    context: Context,
    *,
    fresh: bool = False,
) -> Noise:
    """The noise of a cell, made here or (unless it must be ``fresh``) by an earlier cell of any recipe.

    ``key`` as :func:`noise_job` reads it; ``test`` is for error-max's network. ``provenance`` tells the seconds of the
    generation, in which the training of error-max's network is not counted.
    """
    job = noise_job(key, seed, data, settings, context)
    method, path = job.method, job.path
    if path.is_file() and not fresh:
        return read_noise(path)
    progress = path.with_suffix(".progress.safetensors")
    if isinstance(method, ErrorMin) and not fresh:
        method = replace(method, checkpoint=progress)
    network = _surrogate(key.noise in TRAINED, data, test, seed, settings, context)
    begun = time.perf_counter()

    def tell(number: int, error: float, delta: Tensor) -> None:
        context.say(f"  round {number + 1}: error {error:.3f}, {time.perf_counter() - begun:.0f} s")

    made = method.generate(data, learner(network, context.runtime, lr=job.rate), seed=seed, on_round=tell)
    seconds = round(time.perf_counter() - begun, 4)
    noise = Noise(made.delta, made.form, made.keys, made.budget, {**made.provenance, "seconds": seconds})
    context.runtime.ranks.once(lambda: write_noise(path, noise))
    context.runtime.ranks.once(lambda: progress.unlink(missing_ok=True))
    return noise


def noise_job(key: NoiseKey, seed: int, data: Examples, settings: NoiseSettings, context: Context) -> NoiseJob:
    """What :func:`noise_of` does for a cell."""
    name, form = key.noise, key.made_in()
    epsilon = settings.epsilon_255 / 255
    own = {**find_preset(key.setting, name, form, epsilon), **settings.generate.get(f"{name} {form}", {})}
    if key.size is not None:
        own["patch"] = [key.size, key.size]
    method = noise_method(name, form, epsilon=epsilon, **own)
    rate = settings.surrogate_lr or LEARNER_RATE[key.variant()]
    surrogate = [settings.surrogate, settings.surrogate_width or settings.width, rate]
    trained = settings.model_dump(mode="json", include=_DECIDE) if name in TRAINED else None
    decides = [name, form, own, epsilon, surrogate, trained, seed, data_digest(data), str(context.runtime.dtype)]
    return NoiseJob(method, rate, context.kept(f"noise-{digest_of(decides)[:16]}.safetensors"))


def _surrogate(
    trained: bool, data: Examples, test: Examples, seed: int, settings: NoiseSettings, context: Context
) -> nn.Module:
    """θ before the noise is made: fresh, or trained on the clean pictures. It is never the attacker's own network."""
    if not trained:
        return fresh_surrogate(len(data.classes), seed, settings)
    training, path = surrogate_training(seed, data, test, settings, context)
    if not path.is_file():
        context.say("  training the network that error-maximizing noise is made against")
    return load_or_train(path, training, context).model


def fresh_surrogate(classes: int, seed: int, settings: NoiseSettings) -> nn.Module:
    """θ with the weights that it is born with."""
    width = settings.surrogate_width or settings.width
    return build_seeded(lambda: build(settings.surrogate, classes, width=width), derive_seed(seed, "surrogate"))


def surrogate_training(
    seed: int, data: Examples, test: Examples, settings: NoiseSettings, context: Context
) -> tuple[Training, Path]:
    """The training of the network that a cell's error-max noise is made against, and the file that keeps it."""
    own = {name: getattr(settings, name) for name in TrainingSettings.model_fields}
    changed = {"width": settings.surrogate_width or settings.width, "model": settings.surrogate}
    chosen = TrainingSettings.model_validate({**own, **changed})
    epochs, own_seed = settings.surrogate_epochs or settings.epochs, derive_seed(seed, "surrogate")
    decides = [chosen.model_dump(mode="json"), epochs, own_seed, data_digest(data), str(context.runtime.dtype)]
    path = context.kept(f"trained-{digest_of(decides)[:16]}.safetensors")
    return Training(data, test, chosen, own_seed, epochs=epochs), path
