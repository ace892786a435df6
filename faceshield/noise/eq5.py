"""Eq. 5 (Appendix I): the inner minimisation with a penalty for large δ in place of signed steps inside a bound.

For each example: minimise c·‖δ‖₂² + L(f(x + δ), y), by Adam or by L-BFGS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.noise.base import add_noise
from faceshield.noise.lbfgs import lbfgs
from faceshield.noise.sweep import Losses


@dataclass(frozen=True)
class Eq5:
    """A solver for :class:`faceshield.noise.error_min.ErrorMin`; c = 1 and T = 200 are the paper's.

    Each example is a problem of its own: Adam works value by value, and L-BFGS keeps a curvature and a step length for
    each (noise.lbfgs), so that neither the batch nor the order changes δ. It starts from the last pass's δ. δ is free
    while it is sought; the answer is then projected to the budget and cut such that its picture stays in [0, 1].

    The paper names both optimisers in one sentence ("L-BFGS … using Adam"), hence both here; it does not give Adam's
    rate.
    """

    optimizer: Literal["adam", "lbfgs"] = "adam"
    c: float = 1.0
    steps: int = 200
    lr: float = 0.005  # of Adam
    history: int = 10  # of L-BFGS

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "lbfgs"):
            raise UsageError(f"optimizer {self.optimizer!r} is unknown; use 'adam' or 'lbfgs'")

    @property
    def name(self) -> str:
        """The method's name in results."""
        return f"eq5-{self.optimizer}"

    def __call__(
        self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, budget: Budget, *, batch: int
    ) -> int:
        """Solve for each of ``images`` (n, 3, H, W) uint8; ``delta`` (n, 3, H, W) is changed in place.

        Returns the number of steps taken, an evaluation each (L-BFGS: and a few more where a step was too long).
        """
        total = 0
        for index in torch.arange(len(images), device=delta.device).split(batch):
            found, taken = self.solve(images[index].float() / 255, labels[index], delta[index], losses)
            projected = budget.project(found)
            delta[index] = add_noise(images[index], projected) - images[index].float() / 255
            total += taken
        return total

    def solve(self, images: Tensor, labels: Tensor, start: Tensor, losses: Losses) -> tuple[Tensor, int]:
        """δ (N, 3, H, W) that minimises Eq. 5 for ``images`` in [0, 1], not yet bounded, and the steps taken by all."""

        def objective(delta: Tensor, index: Tensor) -> Tensor:
            return self.c * delta.pow(2).flatten(1).sum(1) + losses(images[index] + delta, labels[index])

        if self.optimizer == "lbfgs":
            return lbfgs(objective, start, steps=self.steps, history=self.history)
        everyone = torch.arange(len(images), device=images.device)
        delta = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([delta], lr=self.lr)
        for _ in range(self.steps):
            (delta.grad,) = torch.autograd.grad(objective(delta, everyone).sum(), delta)
            optimizer.step()
        return delta.detach(), self.steps * len(images)
