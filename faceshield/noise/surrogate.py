"""The shipped surrogates f′ and the bank of ready-made identity noises.

The first surrogate is the θ of Algorithm 1 that the bank was made with (recipes/faces/bank.yaml): noise fitted to it
alone overfits to it. The others were trained from scratch on people of whom some wear the bank's noises
(recipes/faces/surrogates.yaml), as a recogniser is that is trained on collected photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.models.resnet import ResNet, resnet18
from faceshield.models.weights import load, split_numbered
from faceshield.noise.base import Forward

SURROGATE = "surrogate_rn18"
MIXED = "mixed_surrogates_rn18"
SURROGATES = (SURROGATE, MIXED)
BANK = "identity_bank"
NOISE_WEIGHTS = (BANK, *SURROGATES)
"""The weights that decide what a person's noise becomes."""


@dataclass(frozen=True)
class Bank:
    """Class-wise noises for any people: delta (K, 3, S, S) float32 in [−ε, ε]."""

    delta: Tensor
    epsilon: float


def load_surrogates(names: Sequence[str] = SURROGATES) -> list[ResNet]:
    """The RN-18s of the files ``names``, one output for each noise of the bank, frozen and in eval mode.

    Raises StoreError if a file is absent or damaged.
    """
    return [network for name in names for network in _load_file(name)]


def average_surrogates(surrogates: Sequence[Forward], slots: int) -> Forward:
    """The mean of the networks' log-probabilities (N, ``slots``), each over all its outputs: what all agree on counts.

    A network may know people beside the slots: what it gives to them is missing from the slots.
    """
    return partial(_average, surrogates, slots)  # no inner function: a mask takes it along into other processes


def _average(surrogates: Sequence[Forward], slots: int, batch: Tensor) -> Tensor:
    return torch.stack([torch.log_softmax(surrogate(batch), 1)[:, :slots] for surrogate in surrogates]).mean(0)


def load_ensemble(names: Sequence[str], place: Callable[[ResNet], Forward], slots: int) -> Forward:
    """:func:`average_surrogates` of the files' surrogates over a bank's ``slots``, each made ready by ``place``: a
    runtime's :meth:`~faceshield.training.runtime.Runtime.prepare`, for noise knows none. Raises StoreError.
    """
    return average_surrogates([place(surrogate) for surrogate in load_surrogates(names)], slots)


def load_bank() -> Bank:
    """The bank's noises. They are stored as whole levels of 255 (int8), the form in which they are used."""
    tensors, fields = load(BANK)
    levels = tensors.get("delta")
    if levels is None or levels.dtype != torch.int8 or "epsilon" not in fields:
        raise StoreError(f"weights {BANK}: do not fit this version of faceshield; install the matching file")
    return Bank(levels.float() / 255, float(fields["epsilon"]))


def _load_file(name: str) -> list[ResNet]:
    """The networks of a file, one or several numbered ones. Raises StoreError."""
    tensors, fields = load(name)
    try:
        states = split_numbered(tensors) if name == MIXED else [tensors]
        return [_build_network(state, int(fields["classes"]), int(fields["width"])) for state in states]
    except (KeyError, RuntimeError) as error:
        raise StoreError(f"weights {name}: do not fit this version of faceshield ({error})") from None


def _build_network(state: dict[str, Tensor], classes: int, width: int) -> ResNet:
    model = resnet18(classes, width=width, stem="stride2")
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)
