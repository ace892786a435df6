"""One-pixel shortcut (OPS): one pixel of a class's pictures gets one colour. For comparison only: it shows on a face.

Wu, Chen, Xie and Huang, "One-Pixel Shortcut: On the Learning Preference of Deep Neural Networks", ICLR 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound


@dataclass(frozen=True)
class OnePixel:
    """The pixel p and the colour ξ, each channel 0 or 1, with the largest E‖x_p − ξ‖₁ / Var ‖x_p − ξ‖₁ over a class.

    No two classes have both alike. δ is −1 or 1 in each channel of p and 0 elsewhere: a sum that saturates is ξ, so
    that one class-wise δ says all. The budget must be the whole range, ε = 1. Costs 8 passes over the data.
    """

    budget: Budget = field(default_factory=lambda: Budget(1.0))

    def generate(
        self, data: Examples, learner: Learner | None = None, *, seed: int = 0, on_round: OnRound | None = None
    ) -> Noise:
        """Noise keyed by class names. ``learner``, ``seed`` and ``on_round`` are not used."""
        data = data.sort()
        colours = (torch.arange(8)[:, None] >> torch.arange(3)) & 1
        height, width = data.images.shape[2:]
        delta = torch.zeros(len(data.classes), 3, height * width)
        taken = torch.zeros(8, height * width, dtype=torch.bool)
        for label in data.labels.unique().tolist():
            scores = _score(data.images[data.labels == label], colours).masked_fill(taken, -torch.inf)
            colour, place = divmod(int(scores.argmax()), height * width)
            taken[colour, place] = True
            delta[label, :, place] = colours[colour].float() * 2 - 1
        return Noise(delta.view(-1, 3, height, width), "class", data.classes, self.budget, {"method": "ops"})


def _score(images: Tensor, colours: Tensor) -> Tensor:
    """(8, H·W) mean over variance of the distances of ``images`` (n, 3, H, W) uint8 from each of ``colours`` (8, 3)."""
    flat = images.flatten(2).float() / 255
    distances = [torch.where(colour[:, None] == 1, 1 - flat, flat).sum(1) for colour in colours]
    return torch.stack([one.mean(0) / (one.var(0, correction=0) + 1e-6) for one in distances])
