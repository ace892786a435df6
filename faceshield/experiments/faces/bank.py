"""The surrogate and the bank of identity noises: Algorithm 1, class-wise, under the collector's possible views."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.cache import Tensors
from faceshield.core.errors import UsageError
from faceshield.core.store import write_tensors
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.synthetic import synthesize_people
from faceshield.data.tree import read_tree
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.models.resnet import resnet18
from faceshield.noise.band import amplify, keep_pattern
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.pgd import Shape, Transform
from faceshield.noise.transforms import PlainCrop, Transforms
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded

ViewName = Literal["collector", "none"]
Channels = Literal["free", "equal"]
GAIN = 2.0

CLOSE = replace(Transforms(), zoom=(0.93, 1.07), shift=0.05, rotate=4.0)
VIEWS: dict[ViewName, tuple[Transform, ...]] = {"collector": (CLOSE, Transforms()), "none": (PlainCrop(),)}
"""One after the other: from the start under wide crops, θ takes several times as many rounds."""

CHROMA: dict[Channels, float | None] = {"free": None, "equal": 0.0}
"""The bound of δ's colour: "equal" in all channels is lightness only, all of which a collector without colour keeps."""


class NetworkSettings(Settings):
    """Of a small network made on :func:`read_source`; ``photos`` a class are for fabricated people only."""

    people: Source
    classes: int
    photos: int | None = None
    width: int
    lr: float


class Algorithm1Settings(NetworkSettings):
    """And of the noises beside it: Algorithm 1's, see ``noise.error_min``.

    ``slots``: so many noises; several people share one, so that a surrogate has nothing to learn from their faces.
    """

    slots: int
    fit_steps: int
    subset: float
    redraw: bool
    stop_error: float
    rounds: int


class BankSettings(Algorithm1Settings):
    """And of what the noises may be, beside their band."""

    epsilon_255: float


class BankKey(CellKey):
    """``views`` none is Algorithm 1 as it is written."""

    views: ViewName


def bank(key: BankKey, seed: int, settings: BankSettings, context: Context) -> dict[str, Any]:
    """Make and keep a bank."""
    data = read_source(settings, context)
    budget = build_budget(settings.epsilon_255, "equal")
    made = make_bank(data, VIEWS[key.views], seed, settings, context, budget)
    file = write_made(f"bank-{key.views}-{seed}", made.content, context)
    return {**made.metrics, "file": file, "identities": len(data.classes), "photos": len(data)}


def build_budget(epsilon_255: float, channels: Channels) -> Budget:
    """The budget of a bank's noises."""
    return Budget(epsilon_255 / 255, chroma=CHROMA[channels])


def share_slots(data: Examples, slots: int) -> Examples:
    """``data`` whose people are dealt out to ``slots`` classes, or one each where they are fewer."""
    slots = min(slots, len(data.classes))
    names = tuple(f"{number:04d}" for number in range(slots))
    return Examples(data.images, data.labels % slots, data.ids, names)


def read_source(settings: NetworkSettings, context: Context) -> Examples:
    """The people whose faces the noise is made on: CelebA-100 in place, or fabricated ones at smoke scale."""
    if settings.people == "fabricated":
        return synthesize_people(settings.classes, settings.photos, seed=7)
    data = read_tree(context.source(settings.people))
    if settings.classes > len(data.classes):
        raise UsageError(f"{settings.people} has {len(data.classes)} people, {settings.classes} were asked for")
    chosen = data.select(data.labels < settings.classes)
    return Examples(chosen.images, chosen.labels, chosen.ids, data.classes[: settings.classes])


def write_made(name: str, content: Tensors, context: Context) -> str:
    """Write what a cell has made into the recipe's folder; returns the file's name."""
    path = context.work / f"{name}.safetensors"
    context.runtime.ranks.once(lambda: write_tensors(path, *content))
    return path.name


class Bank(NamedTuple):
    """``content`` of its file: δ, the surrogate's state as ``model.NAME``, and metadata; ``metrics`` of the run."""

    content: Tensors
    metrics: dict[str, Any]


def make_bank(
    data: Examples,
    views: Sequence[Transform],
    seed: int,
    settings: Algorithm1Settings,
    context: Context,
    budget: Budget,
    shape: Shape = keep_pattern,
) -> Bank:
    """Run Algorithm 1 on ``data`` under each of ``views`` in turn, for noise of one ``shape``, from a random start."""
    data = share_slots(data, settings.slots)
    classes = len(data.classes)
    surrogate = build_seeded(lambda: resnet18(classes, width=settings.width, stem="stride2"), seed)
    theta, begun = learner(surrogate, context.runtime, lr=settings.lr), time.monotonic()
    noise: Noise | None = None
    errors: list[float] = []

    def tell(number: int, error: float, delta: Tensor) -> None:
        if number % 5 == 4:
            left = (time.monotonic() - begun) / (len(errors) + number + 1) * (settings.rounds - number - 1)
            context.say(f"  round {number + 1}: error {error:.3f}, at most {left / 60:.0f} minutes left")

    method = ErrorMin(
        budget=budget,
        fit_steps=settings.fit_steps,
        alpha=budget.epsilon / 10,
        stop_error=settings.stop_error,
        rounds=settings.rounds,
        subset=settings.subset,
        redraw=settings.redraw,
        shape=shape,
        start="random",
    )
    for view in views:
        noise = replace(method, view=view).generate(
            data, theta, seed=seed, on_round=tell, first=None if noise is None else noise.delta
        )
        errors += noise.provenance["errors"]
    assert noise is not None, "views are not empty"
    delta = amplify(shape(noise.delta), budget, GAIN)
    tensors = {"delta": delta, **{f"model.{name}": value for name, value in surrogate.state_dict().items()}}
    fields = {"epsilon": budget.epsilon, "width": settings.width, "classes": classes, "seed": seed}
    metrics = {
        "rounds": len(errors),
        "error_final": errors[-1],
        "delta_rms_255": float(delta.pow(2).mean().sqrt()) * 255,
        "seconds": round(time.monotonic() - begun, 1),
    }
    return Bank((tensors, fields), metrics)


EXPERIMENT = Experiment(bank, BankSettings, BankKey)
