"""Whose faces a face experiment is about, and the class-wise noise that protected people are handed (paper §4.5).

All pictures are framed to the collector's size first: the noise has the size of what the collector trains on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.cache import digest_json, load_or_make
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.core.types import Noise
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import Examples, concatenate
from faceshield.data.synthetic import synthesize_people
from faceshield.data.tree import FolderTree, read_tree
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Settings, Source
from faceshield.models.inception_resnet import Head
from faceshield.models.recognition import Network
from faceshield.models.resnet import resnet18
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.file import digest_data, read_noise, write_noise
from faceshield.noise.surrogate import load_bank
from faceshield.noise.transforms import PlainCrop
from faceshield.training.attack import AUGMENTS, AugmentName
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded
from faceshield.training.recogniser import MarginLoss, read_published_settings


class IdentitySettings(Settings):
    """``people`` are the collector's, ``others`` those on whom noise is made (their first ``identities``).

    ``classes`` and ``photos`` (a person) are for fabricated people only. ``protect``: so many of ``people``, the last.
    ``width`` is RN-18's, ``head`` Inception-ResNet-v1's; ``schedule`` steps is the paper's, see training.recogniser.
    ``augment`` is the collector's, and with ``known_augment`` the noise is made under it too; ``surrogate_width``,
    ``surrogate_lr`` and all from ``fit_steps`` on are Algorithm 1's.
    """

    people: Source
    others: Source
    identities: int
    classes: int | None = None
    photos: int | None = None
    protect: int
    size: int
    width: int
    epochs: int
    lr: float
    batch: int = 64
    schedule: Literal["one-cycle", "steps"] = "one-cycle"
    head: Head = "linear"
    augment: AugmentName = "crop-flip"
    known_augment: bool = True
    epsilon_255: float = 8
    surrogate_width: int = 16
    surrogate_lr: float = 0.1
    fit_steps: int = 10
    subset: float = 0.2
    stop_error: float = 0.1
    rounds: int


class HandedKey(CellKey):
    """Whose noise the protected people are handed, and the ``model`` that is trained.

    Attributes:
        noise: error-min (Algorithm 1), or bank (the shipped one: smooth, made under all views).
        variant: of error-min: transferred (made on the others, handed on by rank, §4.5), or joint (made on the others
            and on the protected people's own training photos together, as the released code does).
    """

    noise: Literal["none", "error-min", "bank"]
    variant: Literal["transferred", "joint"] | None = None
    model: Network = "resnet18"


def list_training_options(model: str, settings: IdentitySettings) -> dict[str, Any]:
    """The arguments of :func:`faceshield.training.loop.train` that differ from its defaults."""
    asked: dict[str, Any] = {"batch": settings.batch}
    if settings.schedule == "steps":
        asked |= read_published_settings(settings.epochs)
    if model == "inception_resnet_v1" and settings.head == "margin":
        asked["criterion"] = MarginLoss()
    return asked


def read_people(settings: IdentitySettings, context: Context) -> Examples:
    """The collector's people, framed. Raises UsageError where they are not there or not more than ``protect``."""
    data = _read(settings.people, settings.classes, settings, context, seed=1)
    if settings.protect >= len(data.classes):
        raise UsageError(f"protect {settings.protect}: {settings.people} has {len(data.classes)} people only")
    return data


def read_others(settings: IdentitySettings, context: Context) -> Examples:
    """The people on whom noise is made, framed. Raises UsageError where there are fewer than ``identities``."""
    count = settings.identities
    return _read(settings.others, count, settings, context, seed=7, first=count)


def synthesize_faces(settings: IdentitySettings, classes: int | None, seed: int) -> Examples:
    """``classes`` drawn people with ``photos`` each, framed; other seeds draw others of other names."""
    drawn = synthesize_people(classes, settings.photos, seed, prefix=f"{seed}-")
    return replace(drawn, images=crop_canvas(drawn.images, settings.size))


def _read(
    source: str, classes: int | None, settings: IdentitySettings, context: Context, seed: int, first: int | None = None
) -> Examples:
    """The ``first`` people of a source, or all."""
    if source == "fabricated":
        return synthesize_faces(settings, classes, seed)
    names = FolderTree(context.source(source)).folders("")[:first]
    if first is not None and len(names) < first:
        raise UsageError(f"{source} has {len(names)} people, {first} identities were asked for")
    data = read_tree(context.source(source), classes=names)
    return replace(data, images=crop_canvas(data.images, settings.size))


def assign_noise(
    key: HandedKey, seed: int, training: Examples, names: Sequence[str], settings: IdentitySettings, context: Context
) -> Noise:
    """Class-wise noise for the people ``names`` of ``training``, made here or by an earlier cell of the same noise.

    Raises UsageError for error-min without a variant, and where there are fewer noises than people.
    """
    if key.noise == "bank":
        bank = load_bank()
        delta = PlainCrop(size=settings.size)(bank.delta, torch.Generator())
        return _assign_by_rank(
            Noise(delta, "class", [str(slot) for slot in range(len(delta))], Budget(bank.epsilon)), names
        )
    if key.variant is None:
        raise UsageError("noise error-min needs a variant in the cell's key; use transferred or joint")
    data = read_others(settings, context)
    if key.variant == "joint":
        data = concatenate([data, training.select_classes(names)])
        made = _load_or_make_noise(data, seed, settings, context)
        return replace(made, delta=made.for_batch(names), keys=tuple(names))
    return _assign_by_rank(_load_or_make_noise(data, seed, settings, context), names)


def _assign_by_rank(noise: Noise, names: Sequence[str]) -> Noise:
    if len(names) > len(noise.keys):
        raise UsageError(f"{len(names)} people are to be protected by {len(noise.keys)} noises; raise identities")
    return replace(noise, delta=noise.delta[: len(names)], keys=tuple(names))


def _load_or_make_noise(data: Examples, seed: int, settings: IdentitySettings, context: Context) -> Noise:
    """Algorithm 1 on ``data`` with an RN-18 of its own, or its kept result."""
    rate, width, runtime = settings.surrogate_lr, settings.surrogate_width, context.runtime
    budget = Budget(settings.epsilon_255 / 255)
    view = settings.augment if settings.known_augment else None
    steps = settings.model_dump(include={"fit_steps", "subset", "stop_error", "rounds"})
    decides = [rate, width, settings.epsilon_255, view, steps, seed, digest_data(data), str(runtime.dtype)]
    path = context.cache_path(f"noise-{digest_json(decides)[:16]}.safetensors")

    def tell(number: int, error: float, delta: Tensor) -> None:
        if number % 5 == 4:
            context.say(f"  round {number + 1}: error {error:.3f}")

    def make() -> Noise:
        transform = None if view is None else AUGMENTS[view]
        method = ErrorMin(budget=budget, alpha=budget.epsilon / 10, view=transform, **steps)
        start = derive_seed(seed, "surrogate")
        surrogate = build_seeded(lambda: resnet18(len(data.classes), width=width, stem="stride2"), start)
        return method.generate(data, learner(surrogate, runtime, lr=rate), seed=seed, on_round=tell)

    return load_or_make(path, read_noise, make, write_noise, runtime.ranks)
