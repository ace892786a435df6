"""What a counter-measure is: something done to every picture, to the training pictures alone, or to the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from faceshield.data.augment import Augment
from faceshield.data.examples import Examples
from faceshield.data.mixing import Mix
from faceshield.training.loop import Attack
from faceshield.training.optim import Pace

Pictures = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pairs:
    """The same pictures of other people without and with a public noise of the tool.

    Attributes:
        clean: (P, 3, S, S) uint8.
        cloaked: (P, 3, S, S) uint8.
    """

    clean: Tensor
    cloaked: Tensor


Undo = Callable[[Examples, Pairs, Generator], Examples]


@dataclass(frozen=True)
class Countermeasure:
    """What a collector does beside plain training; what is None is left out.

    Attributes:
        about: One line for tables.
        pictures: Changes every picture (N, 3, S, S) uint8 of the face canvas, training and test.
        undo: Changes the framed training examples alone; it may learn from pairs with a public noise.
        augment: Of the training loop (``training.loop.train``).
        mix: Of the training loop.
        adversary: Of the training loop.
        pace: Of the training loop.
    """

    about: str
    pictures: Pictures | None = None
    undo: Undo | None = None
    augment: Augment | None = None
    mix: Mix | None = None
    adversary: Attack | None = None
    pace: Pace | None = None

    def apply(self, pictures: Tensor) -> Tensor:
        """``pictures`` (N, 3, S, S) uint8 after this counter-measure."""
        return pictures if self.pictures is None else self.pictures(pictures)

    def training(self) -> dict[str, Any]:
        """The arguments of ``training.loop.train`` that it sets."""
        arguments = {"augment": self.augment, "mix": self.mix, "adversary": self.adversary, "pace": self.pace}
        return {name: value for name, value in arguments.items() if value is not None}


def map_in_parts(change: Callable[[Tensor], Tensor], pictures: Tensor, size: int = 256) -> Tensor:
    """``change``, of float pictures in [0, 1], over uint8 ``pictures`` (N, 3, H, W), ``size`` at a time, rounded."""
    changed = torch.empty_like(pictures)
    for whole, part in zip(changed.split(size), pictures.split(size), strict=True):
        whole.copy_(change(part.float() / 255).clamp(0, 1).mul(255).round())
    return changed
