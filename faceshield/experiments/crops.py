"""The tensor path: aligned crops of people whom no generator saw, some protected; does a classifier learn them?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import derive_seed
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.data.examples import Examples
from faceshield.data.tree import read_tree
from faceshield.experiments.attack import attack, framed
from faceshield.experiments.bank import VIEWS, BankSettings, make_bank, source_faces
from faceshield.experiments.fabricated import fabricated_people
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import Settings, Source
from faceshield.models import weights
from faceshield.noise.identity import correlation, private_noise, slot_of
from faceshield.noise.surrogate import SURROGATE, load_bank, load_surrogate
from faceshield.noise.views import Views


class CropsSettings(Settings):
    """``classes`` and ``photos`` are for fabricated people only, ``steps`` for tailored noise, ``bank`` for views."""

    people: Source
    classes: int | None = None
    photos: int | None = None
    protect: int
    size: int
    width: int
    epochs: int
    lr: float
    steps: int | None = None
    bank: BankSettings | None = None


def crops(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise none|bank|tailored; photos (tailored: how many of the person's crops make the noise);
    views none|collector (bank made here, without or with the collector's views); augment crop-flip|flip.
    """
    made = cloaked_people(key, seed, settings, context)
    people, held = made.people, made.held
    training = Examples(made.images, people.labels, people.ids, people.classes).select(~held)
    clean = people.select(held)
    metrics = attack(
        _small(training, settings), _small(clean, settings), made.protected, seed, settings, context, _augment(key)
    )
    return {**metrics, "bank_correlation": max(made.similar)} if made.similar else metrics


@dataclass(frozen=True)
class Cloaked:
    """``people`` as they are and their ``images`` (N, 3, S, S) uint8 on the canvas, the training photos of the
    ``protected`` labels with noise; ``held`` (N,) bool are for the test. ``similar``: each noise's correlation with the
    bank's most similar one.
    """

    people: Examples
    images: Tensor
    held: Tensor
    protected: range
    similar: list[float]


def cloaked_people(key: Key, seed: int, settings: dict[str, Any], context: Context) -> Cloaked:
    """The people of a cell with the noise of ``key``, as :func:`crops` reads it."""
    people = _people(settings, context)
    last = settings["protect"]
    protected = range(len(people.classes) - last, len(people.classes))
    held = people.held_out(0.2, seed=0)
    images = people.images.clone()
    similar: list[float] = []
    if key["noise"] != "none":
        bank = _bank(key, settings, context)
        for label in protected:
            own = (people.labels == label) & ~held
            secret = f"{seed}-{people.classes[label]}"
            slot = slot_of(secret, len(bank))
            delta = bank[slot]
            if key["noise"] == "tailored":
                delta = _tailored(people.images[own], len(bank), secret, int(key.get("photos", 20)), settings, context)
            similar.append(max(correlation(delta, other) for other in bank))
            levels = (delta * 255).round().to(torch.int16)
            images[own] = (images[own].to(torch.int16) + levels).clamp(0, 255).to(torch.uint8)
    return Cloaked(people, images, held, protected, similar)


def _augment(key: Key) -> str:
    return str(key.get("augment", "crop-flip"))


def _people(settings: dict[str, Any], context: Context) -> Examples:
    if settings["people"] == "fabricated":
        return fabricated_people(settings["classes"], settings["photos"], seed=1)
    return read_tree(context.source(settings["people"]))


def _bank(key: Key, settings: dict[str, Any], context: Context) -> Tensor:
    """The shipped bank, or one made here for a recipe that varies how it is made."""
    if "views" not in key:
        return load_bank().delta
    path = context.work / f"bank-{key['views']}.safetensors"
    if not path.is_file():
        made = settings["bank"]
        make_bank(source_faces(made, context), VIEWS[str(key["views"])], derive_seed("bank"), made, context, path)
    return read_tensors(path)[0]["delta"]


def _tailored(
    images: Tensor, slots: int, secret: str, photos: int, settings: dict[str, Any], context: Context
) -> Tensor:
    runtime = context.runtime
    decides = [secret, photos, settings["steps"], weights.registry()[SURROGATE].sha256, str(runtime.dtype)]
    path = context.work / f"tailored-{sha256(json.dumps(decides).encode())[:16]}.safetensors"
    if path.is_file():
        return read_tensors(path)[0]["delta"]
    surrogate = runtime.place(load_surrogate())
    delta, _ = private_noise(
        images[:photos].to(runtime.device),
        slots,
        lambda batch: runtime.forward(surrogate, batch),
        Budget(),
        Views(),
        secret,
        steps=settings["steps"],
    )
    write_tensors(path, {"delta": delta}, {"secret": secret, "photos": photos})
    return delta.cpu()


def _small(data: Examples, settings: dict[str, Any]) -> Examples:
    return Examples(framed(data.images, settings["size"]), data.labels, data.ids, data.classes)
