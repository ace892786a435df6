"""Noise for classification experiments: generated once, cached under a digest of its settings, shared by recipes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from torch import Tensor, nn

from faceshield.core.cache import digest_json, load_or_make
from faceshield.core.memory import measure_peak
from faceshield.core.plugins import name_all
from faceshield.core.rng import derive_seed
from faceshield.core.schema import suggest
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import Variant
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey
from faceshield.experiments.paper.network import Training, TrainingSettings
from faceshield.experiments.paper.network_cache import load_or_train, load_or_train_epochs
from faceshield.models.zoo import Network, build
from faceshield.noise.base import NoiseMethod
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.file import digest_data, read_noise, write_noise
from faceshield.noise.presets import Setting, find_preset
from faceshield.noise.registry import GROUP, LEARNER_RATE, METHODS, TRAINED, build_method, check_entries
from faceshield.noise.targeted import Targeted, choose_epochs
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded


class NoiseKey(CellKey):
    """``noise`` is none, or a method of ``noise.registry`` or of another package.

    ``setting`` is of ``noise.presets``, ``size`` a patch's.
    """

    noise: str
    form: Form | None = None
    setting: Setting = "paper"
    size: int | None = None

    @field_validator("noise")
    @classmethod
    def _known_noise(cls, noise: str) -> str:
        """Raise ValueError for a name that no package has."""
        known = ["none", *name_all(GROUP, METHODS)]
        if noise not in known:
            raise ValueError(f"{noise!r} is unknown; use {', '.join(known)}{suggest(noise, known)}")
        return noise

    def noise_form(self) -> Form:
        """The form of a cell's noise: ``form`` if given, else sample for Eq. 5 noise and class for all others."""
        return self.form or ("sample" if self.noise.startswith("eq5") else "class")

    def variant(self) -> Variant:
        """How a cell's noise is added to its pictures."""
        return "released-code" if self.setting == "released-code" else "paper"


class NoiseSettings(TrainingSettings):
    """``generate`` maps "NOISE FORM", such as "error-min sample", to settings of its method, over the paper's.

    The surrogate θ has ``surrogate_width`` (``width`` if not given) and learns at ``surrogate_lr`` (the setting's own
    if not given); the network that error-max, tap and sep need is trained for ``surrogate_epochs`` (``epochs`` if not
    given).
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
        """Raise ValueError as :func:`~faceshield.noise.registry.check_entries`."""
        return check_entries(generate, **_SIZE)


_SIZE = {"patch": {"patch": [8, 8]}}  # a patch needs a size to be checked; a cell's key gives the real one
_DECIDE = set(NoiseSettings.model_fields) - {"generate"}  # an experiment's own settings do not affect the noise


@dataclass(frozen=True)
class NoiseJob:
    """A cell's noise method, the learning rate of its surrogate θ, and the path of the cached noise."""

    method: NoiseMethod
    rate: float
    path: Path


def load_or_make_noise(
    key: NoiseKey,
    seed: int,
    data: Examples,
    test: Examples,
    settings: NoiseSettings,
    context: Context,
    *,
    fresh: bool = False,
) -> Noise:
    """The noise of a cell: read from the cache, or generated and cached. ``fresh`` generates it in any case.

    ``test`` is used only to train the network that some methods need. ``provenance["seconds"]`` is the time of the
    generation without that training, ``provenance["peak_mb"]`` the process's most memory meanwhile, where it is known.
    """
    job = plan_noise(key, seed, data, settings, context)
    checkpoint = job.path.with_suffix(".progress.safetensors")

    def make() -> Noise:
        method = job.method
        if isinstance(method, ErrorMin | Targeted) and not fresh:
            method = replace(method, checkpoint=checkpoint)
        count = method.checkpoints if isinstance(method, Targeted) else int(key.noise in TRAINED)
        network, checkpoints = _surrogate(count, data, test, seed, settings, context)
        begun = time.perf_counter()

        def tell(number: int, error: float, delta: Tensor) -> None:
            context.say(f"  round {number + 1}: error {error:.3f}, {time.perf_counter() - begun:.0f} s")

        theta = replace(learner(network, context.runtime, lr=job.rate), checkpoints=checkpoints)
        made, peak = measure_peak(lambda: method.generate(data, theta, seed=seed, on_round=tell))
        seconds = round(time.perf_counter() - begun, 4)
        measured = {"seconds": seconds, **({} if peak is None else {"peak_mb": round(peak, 1)})}
        return replace(made, provenance={**made.provenance, **measured})

    def save(path: Path, noise: Noise) -> None:
        write_noise(path, noise)
        checkpoint.unlink(missing_ok=True)

    return load_or_make(job.path, read_noise, make, save, context.runtime.ranks, fresh=fresh)


def plan_noise(key: NoiseKey, seed: int, data: Examples, settings: NoiseSettings, context: Context) -> NoiseJob:
    """The method, rate and path that :func:`load_or_make_noise` uses for a cell."""
    name, form = key.noise, key.noise_form()
    epsilon = settings.epsilon_255 / 255
    options = {**find_preset(key.setting, name, form, epsilon), **settings.generate.get(f"{name} {form}", {})}
    if key.size is not None:
        options["patch"] = [key.size, key.size]
    method = build_method(name, form, epsilon=epsilon, **options)
    rate = settings.surrogate_lr or LEARNER_RATE[key.variant()]
    surrogate = [settings.surrogate, settings.surrogate_width or settings.width, rate]
    trained = settings.model_dump(mode="json", include=_DECIDE) if name in TRAINED else None
    decides = [name, form, options, epsilon, surrogate, trained, seed, digest_data(data), str(context.runtime.dtype)]
    return NoiseJob(method, rate, context.cache_path(f"noise-{digest_json(decides)[:16]}.safetensors"))


def _surrogate(
    count: int, data: Examples, test: Examples, seed: int, settings: NoiseSettings, context: Context
) -> tuple[nn.Module, list[dict[str, Tensor]]]:
    """The surrogate θ, and with a ``count`` of 2 and more as many states along its training, the last of them its own.

    With 0 it has its initial weights, else it is trained on clean pictures. The attacker trains another network.
    """
    network = build_surrogate(len(data.classes), seed, settings)
    if not count:
        return network, []
    training, path = plan_surrogate(seed, data, test, settings, context)
    if not path.is_file():
        context.say("  training the network that the noise is made against")
    if count == 1:
        return load_or_train(path, training, context).model, []
    epochs = choose_epochs(training.epochs or settings.epochs, count)
    states = load_or_train_epochs(path, training, context, epochs)
    network.load_state_dict(states[-1])
    return network, states


def build_surrogate(classes: int, seed: int, settings: NoiseSettings) -> nn.Module:
    """θ with its initial weights."""
    width = settings.surrogate_width or settings.width
    return build_seeded(lambda: build(settings.surrogate, classes, width=width), derive_seed(seed, "surrogate"))


def plan_surrogate(
    seed: int, data: Examples, test: Examples, settings: NoiseSettings, context: Context
) -> tuple[Training, Path]:
    """The training of the network that noise such as error-max is made against, and the path of the cached network."""
    options = {name: getattr(settings, name) for name in TrainingSettings.model_fields}
    changed = {"width": settings.surrogate_width or settings.width, "model": settings.surrogate}
    chosen = TrainingSettings.model_validate({**options, **changed})
    epochs, start_seed = settings.surrogate_epochs or settings.epochs, derive_seed(seed, "surrogate")
    decides = [chosen.model_dump(mode="json"), epochs, start_seed, digest_data(data), str(context.runtime.dtype)]
    path = context.cache_path(f"trained-{digest_json(decides)[:16]}.safetensors")
    return Training(data, test, chosen, start_seed, epochs=epochs), path
