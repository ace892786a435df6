"""The tensor path: aligned crops of people whom no generator saw, some protected; does a classifier learn them?"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.data.canvas import framed
from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure
from faceshield.data.synthetic import fabricated_people
from faceshield.data.tree import read_tree
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.settings import CellKey, Settings, Source
from faceshield.experiments.faces.bank import CHANNELS, VIEWS, BankSettings, Channels, ViewName, make_bank, source_faces
from faceshield.models import weights
from faceshield.noise.base import add_rounded
from faceshield.noise.identity import choose_class, correlation, private_noise
from faceshield.noise.surrogate import SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.training.attack import AUGMENTS, AugmentName, attack


class CloakedSettings(Settings):
    """``classes`` and ``photos`` are for fabricated people only, ``steps`` for tailored noise, ``bank`` for views."""

    people: Source
    classes: int | None = None
    photos: int | None = None
    protect: int
    steps: int | None = None
    bank: BankSettings | None = None


class CloakedKey(CellKey):
    """Who is protected, by which noise, and where.

    Attributes:
        noise: left-out: no photo of a protected person is there to train on, which is the most that any noise can do.
        photos: of tailored noise, how many of the person's crops make it.
        percent: of each protected person's training photos that carry noise, by seed; else all.
        noises: how many a person has: each is on an equal part of the photos.
        people_percent: of the people who are protected, one at least, in place of the settings' number.
        person: the only one who is protected, counted from the last, 1.
    """

    noise: Literal["none", "left-out", "bank", "tailored"]
    photos: int = 20
    percent: float = 100
    noises: int = 1
    people_percent: float | None = None
    person: int | None = None


class OwnBankKey(CloakedKey):
    """``views`` and ``channels`` are of a bank made here, with the collector's views or without; free in colour or not.

    Where a cell names neither, the shipped bank is used.
    """

    views: ViewName | None = None
    channels: Channels | None = None


class CropsKey(OwnBankKey):
    """``augment`` is the collector's."""

    augment: AugmentName = "crop-flip"


class CropsSettings(CloakedSettings):
    """The people, and the collector's picture size, network width and training."""

    size: int
    width: int
    epochs: int
    lr: float


def crops(key: CropsKey, seed: int, settings: CropsSettings, context: Context) -> dict[str, Any]:
    """One cell."""
    made = cloaked_people(key, seed, settings, context)
    training, clean = _small(made.training(), settings), _small(made.clean(), settings)
    metrics = attack(
        training, clean, made.protected, seed, context.runtime, epochs=settings.epochs, lr=settings.lr,
        width=settings.width, augment=AUGMENTS[key.augment], say=context.say,
    )  # fmt: skip
    return {**metrics, "bank_correlation": max(made.similar)} if made.similar else metrics


@dataclass(frozen=True)
class Cloaked:
    """``people`` as they are and their ``images`` (N, 3, S, S) uint8 on the canvas, the training photos of the
    ``protected`` labels with noise; ``held`` (N,) bool are for the test, ``used`` for training. ``similar``: each
    noise's correlation with the bank's most similar one.
    """

    people: Examples
    images: Tensor
    held: Tensor
    used: Tensor
    protected: range
    similar: list[float]

    def training(self) -> Examples:
        """What the collector trains on."""
        return replace(self.people, images=self.images).select(self.used)

    def clean(self) -> Examples:
        """Photos that nobody trained on, without noise."""
        return self.people.select(self.held)


def cloaked_people(
    key: CloakedKey, seed: int, settings: CloakedSettings, context: Context, view: Transforms | None = None
) -> Cloaked:
    """The people of a cell, the last ``settings.protect`` of them protected, tailored noise made under ``view``.

    Raises UsageError for a setting that the key needs and the recipe lacks.
    """
    people = _people(settings, context)
    protected = _protected(key, len(people.classes), settings)
    held = people.held_out(0.2, seed=0)
    images, used = people.images.clone(), ~held
    similar: list[float] = []
    if key.noise == "left-out":
        used = used & (people.labels < protected.start)
    elif key.noise != "none":
        bank = _bank(key, settings, context)
        worn = _worn(key, people, held, seed)
        for label in protected:
            own = (people.labels == label) & ~held
            for number in range(key.noises):
                secret = f"{seed}-{people.classes[label]}" + (f"-{number}" if number else "")
                delta = bank[choose_class(secret, len(bank))]
                if key.noise == "tailored":
                    photos = people.images[own][: key.photos]
                    delta = _tailored(photos, len(bank), secret, view or Transforms(), settings, context)
                similar.append(max(correlation(delta, other) for other in bank))
                chosen = own & (worn == number)
                images[chosen] = add_rounded(images[chosen], delta)
    return Cloaked(people, images, held, used, protected, similar)


def _protected(key: CloakedKey, people: int, settings: CloakedSettings) -> range:
    """The labels of the last people, or of one of them."""
    if key.person is not None:
        return range(people - key.person, people - key.person + 1)
    count = settings.protect
    if key.people_percent is not None:
        count = max(1, round(key.people_percent / 100 * people))
    return range(people - count, people)


def _worn(key: CloakedKey, people: Examples, held: Tensor, seed: int) -> Tensor:
    """(N,) the number of the noise that a photo carries where its person is protected; as many as there are: none."""
    share, noises = key.percent / 100, key.noises
    training = people.select(~held)
    # a smaller fraction's photos lie inside a larger one's: the first part is in all of them, the last in one
    inside = [Exposure(fraction=share * part / noises, seed=seed).mask(training) for part in range(1, noises + 1)]
    worn = torch.full((len(people),), noises)
    worn[~held] = noises - torch.stack(inside).sum(0)
    return worn


def _people(settings: CloakedSettings, context: Context) -> Examples:
    if settings.people == "fabricated":
        return fabricated_people(settings.classes, settings.photos, seed=1)
    return read_tree(context.source(settings.people))


def _bank(key: CloakedKey, settings: CloakedSettings, context: Context) -> Tensor:
    """The shipped bank, or one made here for a recipe that varies how it is made."""
    if key.noise != "bank" or not isinstance(key, OwnBankKey) or (key.views, key.channels) == (None, None):
        return load_bank().delta
    if settings.bank is None:
        raise UsageError("a bank of its own views or channels needs the setting bank: how it is made")
    views, channels = key.views or "collector", key.channels or "free"
    path = context.work / f"bank-{views}-{channels}.safetensors"
    if not path.is_file():
        data, seed = source_faces(settings.bank, context), derive_seed("bank")
        make_bank(data, VIEWS[views], seed, settings.bank, context, path, CHANNELS[channels])
    return read_tensors(path)[0]["delta"]


def _tailored(
    photos: Tensor, slots: int, secret: str, view: Transforms, settings: CloakedSettings, context: Context
) -> Tensor:
    """A private noise made from ``photos``; it is made once for all that decides it."""
    runtime, steps = context.runtime, settings.steps
    if steps is None:
        raise UsageError("tailored noise needs the setting steps; 60 are enough")
    decides = [secret, steps, repr(view), weights.digest(SURROGATES), str(runtime.dtype)]
    digest = sha256(json.dumps(decides).encode() + photos.numpy().tobytes())
    path = context.kept(f"tailored-{digest[:16]}.safetensors")
    if path.is_file():
        return read_tensors(path)[0]["delta"]
    delta, _ = private_noise(
        photos.to(runtime.device),
        slots,
        load_ensemble(SURROGATES, runtime.ready),
        Budget(),
        view,
        secret,
        steps=steps,
    )
    runtime.ranks.once(lambda: write_tensors(path, {"delta": delta}, {"secret": secret, "photos": len(photos)}))
    return delta.cpu()


def _small(data: Examples, settings: CropsSettings) -> Examples:
    return Examples(framed(data.images, settings.size), data.labels, data.ids, data.classes)


EXPERIMENT = Experiment(crops, CropsSettings, CropsKey)
