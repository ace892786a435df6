"""The tensor path: aligned crops of people whom no generator saw, some protected; does a classifier learn them?"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import derive_seed
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure
from faceshield.data.tree import read_tree
from faceshield.experiments.attack import attack, framed
from faceshield.experiments.bank import CHANNELS, VIEWS, BankSettings, make_bank, source_faces
from faceshield.experiments.fabricated import fabricated_people
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import Settings, Source
from faceshield.models import weights
from faceshield.noise.identity import correlation, private_noise, slot_of
from faceshield.noise.surrogate import SURROGATES, joined, load_bank
from faceshield.noise.views import Views

LEFT_OUT = "left-out"


class CloakedSettings(Settings):
    """``classes`` and ``photos`` are for fabricated people only, ``steps`` for tailored noise, ``bank`` for views."""

    people: Source
    classes: int | None = None
    photos: int | None = None
    protect: int
    steps: int | None = None
    bank: BankSettings | None = None


class CropsSettings(CloakedSettings):
    """The people, and the collector's picture size, network width and training."""

    size: int
    width: int
    epochs: int
    lr: float


def crops(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: as :func:`cloaked_people` reads it; augment crop-flip|flip."""
    made = cloaked_people(key, seed, settings, context)
    training, clean = _small(made.training(), settings), _small(made.clean(), settings)
    metrics = attack(training, clean, made.protected, seed, settings, context, _augment(key))
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
    key: Key, seed: int, settings: dict[str, Any], context: Context, view: Views | None = None
) -> Cloaked:
    """The people of a cell, the last ``settings["protect"]`` of them protected, tailored noise made under ``view``.

    ``key``: noise none|left-out|bank|tailored (left-out: no photo of a protected person is there to train on, which is
    the most that any noise can do); photos (tailored: how many of the person's crops make the noise); views
    none|collector (bank made here, without or with the collector's views); channels free|blue-apart|equal (bank made
    here, so free in colour); percent (of each protected person's training
    photos that carry noise, by seed; else all); noises (how many a person has: each is on an equal part of the photos);
    people_percent (of the people who are protected, one at least, in place of the settings' number); person (the only
    one who is protected, counted from the last, 1).
    """
    people = _people(settings, context)
    protected = _protected(key, len(people.classes), settings)
    held = people.held_out(0.2, seed=0)
    images, used = people.images.clone(), ~held
    similar: list[float] = []
    if key["noise"] == LEFT_OUT:
        used = used & (people.labels < protected.start)
    elif key["noise"] != "none":
        bank = _bank(key, settings, context)
        worn = _worn(key, people, held, seed)
        for label in protected:
            own = (people.labels == label) & ~held
            for number in range(_noises(key)):
                secret = f"{seed}-{people.classes[label]}" + (f"-{number}" if number else "")
                delta = bank[slot_of(secret, len(bank))]
                if key["noise"] == "tailored":
                    photos = people.images[own][: int(key.get("photos", 20))]
                    delta = _tailored(photos, len(bank), secret, view or Views(), settings, context)
                similar.append(max(correlation(delta, other) for other in bank))
                levels = (delta * 255).round().to(torch.int16)
                chosen = own & (worn == number)
                images[chosen] = (images[chosen].to(torch.int16) + levels).clamp(0, 255).to(torch.uint8)
    return Cloaked(people, images, held, used, protected, similar)


def _protected(key: Key, people: int, settings: dict[str, Any]) -> range:
    """The labels of the last people, or of one of them."""
    if "person" in key:
        return range(people - int(key["person"]), people - int(key["person"]) + 1)
    count = settings["protect"]
    if "people_percent" in key:
        count = max(1, round(float(key["people_percent"]) / 100 * people))
    return range(people - count, people)


def _noises(key: Key) -> int:
    return int(key.get("noises", 1))


def _worn(key: Key, people: Examples, held: Tensor, seed: int) -> Tensor:
    """(N,) the number of the noise that a photo carries where its person is protected; as many as there are: none."""
    share, noises = float(key.get("percent", 100)) / 100, _noises(key)
    training = people.select(~held)
    # a smaller fraction's photos lie inside a larger one's: the first part is in all of them, the last in one
    inside = [Exposure(fraction=share * part / noises, seed=seed).mask(training) for part in range(1, noises + 1)]
    worn = torch.full((len(people),), noises)
    worn[~held] = noises - torch.stack(inside).sum(0)
    return worn


def _augment(key: Key) -> str:
    return str(key.get("augment", "crop-flip"))


def _people(settings: dict[str, Any], context: Context) -> Examples:
    if settings["people"] == "fabricated":
        return fabricated_people(settings["classes"], settings["photos"], seed=1)
    return read_tree(context.source(settings["people"]))


def _bank(key: Key, settings: dict[str, Any], context: Context) -> Tensor:
    """The shipped bank, or one made here for a recipe that varies how it is made."""
    if key["noise"] != "bank" or not {"views", "channels"} & set(key):
        return load_bank().delta
    views, channels = str(key.get("views", "collector")), str(key.get("channels", "free"))
    path = context.work / f"bank-{views}-{channels}.safetensors"
    if not path.is_file():
        made = settings["bank"]
        data, seed = source_faces(made, context), derive_seed("bank")
        make_bank(data, VIEWS[views], seed, made, context, path, CHANNELS[channels])
    return read_tensors(path)[0]["delta"]


def _tailored(
    photos: Tensor, slots: int, secret: str, view: Views, settings: dict[str, Any], context: Context
) -> Tensor:
    """A private noise made from ``photos``; it is made once for all that decides it."""
    runtime, steps = context.runtime, settings["steps"]
    decides = [secret, steps, repr(view), weights.digest(SURROGATES), str(runtime.dtype)]
    digest = sha256(json.dumps(decides).encode() + photos.numpy().tobytes())
    path = context.kept(f"tailored-{digest[:16]}.safetensors")
    if path.is_file():
        return read_tensors(path)[0]["delta"]
    delta, _ = private_noise(
        photos.to(runtime.device),
        slots,
        joined(SURROGATES, runtime.ready),
        Budget(),
        view,
        secret,
        steps=steps,
    )
    runtime.ranks.once(lambda: write_tensors(path, {"delta": delta}, {"secret": secret, "photos": len(photos)}))
    return delta.cpu()


def _small(data: Examples, settings: dict[str, Any]) -> Examples:
    return Examples(framed(data.images, settings["size"]), data.labels, data.ids, data.classes)
