"""Error-maximizing noise for each example (§4.1): PGD-20 against a network that was trained on the clean data."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from faceshield.core.budget import Budget
from faceshield.core.rng import draw_uniform
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound, add_noise, find_misclassified
from faceshield.noise.pgd import Shape
from faceshield.noise.sweep import sweep


@dataclass(frozen=True)
class ErrorMax:
    """T signed steps up the loss of a trained network, each example from 0 or from a random point of the box.

    The paper's settings: T = 20 and α = ε/10, as for error-min (Appendix B). Class-wise, see noise.universal.
    """

    budget: Budget = field(default_factory=Budget)
    steps: int = 20  # T
    alpha: float = 8 / 2550  # ε / 10
    batch: int = 128
    random_start: bool = False
    enough: float | None = None  # an example whose loss is no smaller takes no more steps
    shape: Shape | None = None  # a further constraint on δ, see noise.band

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by example ids. ``learner``'s network has been trained already, and is not fitted any further."""
        data = data.sort()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        delta = torch.zeros(images.shape, device=learner.device)
        if self.random_start:
            drawn = draw_uniform(data.ids, images[0].numel(), seed, "error-max").view(images.shape).to(learner.device)
            delta = add_noise(images, self.budget.project((2 * drawn - 1) * self.budget.epsilon)) - images.float() / 255
        everyone = torch.arange(len(images), device=learner.device)
        forward = learner.frozen()
        taken = sweep(
            images, labels, delta, lambda x, y: F.cross_entropy(forward(x), y, reduction="none"), self.budget,
            steps=self.steps, alpha=self.alpha, sign=1, batch=self.batch, loss_threshold=self.enough, shape=self.shape,
        )  # fmt: skip
        wrong = find_misclassified(
            everyone, labels, lambda index: add_noise(images[index], delta[index]), forward, 4 * self.batch
        )
        error = float(wrong.float().mean())
        if on_round is not None:
            on_round(0, error, delta)
        provenance = {"method": "error-max", "errors": [error], "steps_taken": taken}
        return Noise(delta.cpu(), "sample", data.ids, self.budget, provenance)
