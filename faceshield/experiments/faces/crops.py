"""Does a classifier learn the people whose aligned crops carry noise? They took no part in making the noise."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.core.cache import Tensors, load_or_make_tensors
from faceshield.core.errors import UsageError
from faceshield.core.store import sha256
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import HELD_OUT, Examples, concatenate
from faceshield.data.exposure import Exposure
from faceshield.data.synthetic import synthesize_people
from faceshield.data.tree import read_tree
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.models import weights
from faceshield.noise.base import Forward, add_rounded
from faceshield.noise.identity import bound_lightness, choose_class, correlation, make_private_noise
from faceshield.noise.surrogate import NOISE_WEIGHTS, SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.training.attack import AUGMENTS, AugmentName, attack


class CloakedSettings(Settings):
    """``classes`` and ``photos`` are for fabricated people only, ``steps`` for tailored noise.

    ``crowd``: more people in the collection, none of whom is protected.
    """

    people: Source
    crowd: Source | None = None
    classes: int | None = None
    photos: int | None = None
    protect: int
    steps: int | None = None


class CloakedKey(CellKey):
    """Who is protected, by which noise, and where.

    Attributes:
        noise: left-out trains without the protected people's photos, which no noise can surpass.
        photos: the number of a person's crops to which tailored noise is fitted.
        percent: the percentage of each protected person's training photos that carry noise, drawn by the seed.
        noises: the number of noises a person has; each is added to an equal part of the photos.
        people_percent: the percentage of people who are protected, at least one; replaces the setting ``protect``.
        person: protect this person only, counted from the last, who is 1.
    """

    noise: Literal["none", "left-out", "bank", "tailored"]
    photos: int = 20
    percent: float = 100
    noises: int = 1
    people_percent: float | None = None
    person: int | None = None


class CropsKey(CloakedKey):
    """``augment`` is the collector's."""

    augment: AugmentName = "crop-flip"


class CropsSettings(CloakedSettings):
    """The people, and the collector's picture size, network width and training."""

    size: int
    width: int
    epochs: int
    lr: float


def crops(key: CropsKey, seed: int, settings: CropsSettings, context: Context) -> dict[str, Any]:
    """One cell. "curve_cloaked": protected people's held-out photos with their noise, known by it after each epoch."""
    made = cloak_people(key, seed, settings, context)
    training, clean = _crop(made.training(), settings), _crop(made.clean(), settings)
    cloaked = _crop(made.cloaked(), settings) if made.deltas else None
    metrics = attack(
        training, clean, made.protected, seed, context.runtime, epochs=settings.epochs, lr=settings.lr,
        width=settings.width, augment=AUGMENTS[key.augment], cloaked=cloaked, say=context.say,
    )  # fmt: skip
    return {**metrics, "bank_correlation": max(made.similar)} if made.similar else metrics


@dataclass(frozen=True)
class Cloaked:
    """People, some of whom are protected.

    Attributes:
        people: the photos without noise.
        images: (N, 3, S, S) uint8 on the canvas; training photos of protected people carry noise.
        held, used: (N,) bool, the photos for the test and those for training.
        protected: the labels of the protected people.
        deltas: (3, S, S) by label, the noises of protected people, of each the last.
        similar: of each noise, its correlation with the most similar noise of the bank.
    """

    people: Examples
    images: Tensor
    held: Tensor
    used: Tensor
    protected: range
    deltas: dict[int, Tensor]
    similar: list[float]

    def training(self) -> Examples:
        """What the collector trains on."""
        return replace(self.people, images=self.images).select(self.used)

    def clean(self) -> Examples:
        """Photos that nobody trained on, without noise."""
        return self.people.select(self.held)

    def cloaked(self) -> Examples:
        """Of :meth:`clean`, the protected people's photos, each with its person's noise."""
        chosen = self.people.select(self.held & torch.isin(self.people.labels, torch.tensor(list(self.deltas))))
        own = torch.stack([self.deltas[label] for label in chosen.labels.tolist()])
        return replace(chosen, images=add_rounded(chosen.images, own))


def cloak_people(
    key: CloakedKey, seed: int, settings: CloakedSettings, context: Context, view: Transforms | None = None,
    bank: Tensor | None = None,
) -> Cloaked:  # fmt: skip
    """The people of a cell, the last ``settings.protect`` of them protected, tailored noise made under ``view``.

    ``bank`` (K, 3, S, S) are the noises of which each person has one, or from whose surrogates it is tailored; the
    shipped ones if not given.

    Raises UsageError for a setting that the key needs and the recipe lacks.
    """
    people = read_people(settings, context)
    protected = _choose_protected(key, len(people.classes), settings)
    held = people.hold_out(HELD_OUT, seed=0)
    images, used = people.images.clone(), ~held
    deltas: dict[int, Tensor] = {}
    similar: list[float] = []
    if key.noise == "left-out":
        used = used & (people.labels < protected.start)
    elif key.noise != "none":
        bank = load_bank().delta if bank is None else bank
        carried = _assign_noises(key, people, held, seed)
        for label in protected:
            of_person = (people.labels == label) & ~held
            for number in range(key.noises):
                secret = f"{seed}-{people.classes[label]}" + (f"-{number}" if number else "")
                delta = bank[choose_class(secret, len(bank))]
                if key.noise == "tailored":
                    photos = people.images[of_person][: key.photos]
                    delta = _load_or_fit(photos, bank, secret, view or Transforms(), settings, context)
                similar.append(max(correlation(delta, other) for other in bank))
                deltas[label] = delta
                chosen = of_person & (carried == number)
                images[chosen] = add_rounded(images[chosen], delta)
    return Cloaked(people, images, held, used, protected, deltas, similar)


def _choose_protected(key: CloakedKey, people: int, settings: CloakedSettings) -> range:
    """The labels of the last people, or of one of them."""
    if key.person is not None:
        return range(people - key.person, people - key.person + 1)
    count = settings.protect
    if key.people_percent is not None:
        count = max(1, round(key.people_percent / 100 * people))
    return range(people - count, people)


def _assign_noises(key: CloakedKey, people: Examples, held: Tensor, seed: int) -> Tensor:
    """(N,) the number of the noise that a photo carries if its person is protected; ``key.noises`` stands for none."""
    share, noises = key.percent / 100, key.noises
    training = people.select(~held)
    # a smaller fraction's photos lie inside a larger one's: photos of the first part are counted most often
    inside = [Exposure(fraction=share * part / noises, seed=seed).mask(training) for part in range(1, noises + 1)]
    carried = torch.full((len(people),), noises)
    carried[~held] = noises - torch.stack(inside).sum(0)
    return carried


def read_people(settings: CloakedSettings, context: Context) -> Examples:
    """All people of the data, on the canvas; the crowd comes first."""
    if settings.people == "fabricated":
        drawn = [synthesize_people(settings.classes, settings.photos, seed=1)]
        if settings.crowd is not None:
            drawn.insert(0, synthesize_people(settings.classes, settings.photos, seed=2, prefix="crowd-"))
        return concatenate(drawn)
    return concatenate([read_tree(context.source(name)) for name in (settings.crowd, settings.people) if name])


def _load_or_fit(
    photos: Tensor, bank: Tensor, secret: str, view: Transforms, settings: CloakedSettings, context: Context
) -> Tensor:
    """A private noise fitted to ``photos``, from the cache if it has been fitted before."""
    runtime, steps = context.runtime, require_steps(settings)
    decides = [secret, steps, repr(view), weights.digest_files(NOISE_WEIGHTS), str(runtime.dtype)]
    digest = sha256(json.dumps(decides).encode() + photos.numpy().tobytes())
    path = context.cache_path(f"tailored-{digest[:16]}.safetensors")

    def make() -> Tensors:
        ensemble = load_ensemble(SURROGATES, runtime.prepare, len(bank))
        delta = fit(photos, bank, ensemble, secret, view, steps, context)
        return {"delta": delta}, {"secret": secret, "photos": len(photos)}

    return load_or_make_tensors(path, make, runtime.ranks)[0]["delta"]


def require_steps(settings: CloakedSettings) -> int:
    """The steps of tailored noise. Raises UsageError where the recipe has none."""
    if settings.steps is None:
        raise UsageError("tailored noise needs the setting steps; 60 are enough")
    return settings.steps


def fit(
    photos: Tensor, bank: Tensor, ensemble: Forward, secret: str, view: Transforms, steps: int, context: Context
) -> Tensor:
    """A private noise (3, S, S) fitted to ``photos`` as the command does it."""
    own = photos.to(context.runtime.device)
    delta, _ = make_private_noise(own, bank, ensemble, bound_lightness(), view, secret, steps=steps)
    return delta.cpu()


def _crop(data: Examples, settings: CropsSettings) -> Examples:
    return Examples(crop_canvas(data.images, settings.size), data.labels, data.ids, data.classes)


EXPERIMENT = Experiment(crops, CropsSettings, CropsKey, weights=NOISE_WEIGHTS)
