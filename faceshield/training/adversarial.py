"""Adversarial training (appendix D; Madry et al., 2018): learn from the worst pictures within ε of the given ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.noise.base import Forward
from faceshield.noise.pgd import pgd


@dataclass(frozen=True)
class Adversary:
    """PGD-10 from a random start: ε = 8/255 as in the paper's appendix D, α = 2/255."""

    budget: Budget = field(default_factory=Budget)
    alpha: float = 2 / 255
    steps: int = 10

    def __call__(self, forward: Forward, images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
        """Pictures in the budget around ``images`` for which the loss is high.

        images (N, 3, H, W) float RGB in [0, 1], and so is the result; ``labels`` (N,) int64 or (N, classes) soft;
        ``forward`` gives logits, of a network whose parameters the caller has frozen; ``generator`` draws the start.
        """
        # drawn where the generator lives, so that every device gets the same start
        uniform = torch.rand(images.shape, generator=generator, device=generator.device).to(images.device)
        start = self.budget.project((2 * uniform - 1) * self.budget.epsilon)
        delta = pgd(
            images,
            (images + start).clamp(0, 1) - images,  # pixels outside would be stuck for a step: no gradient there
            lambda batch: F.cross_entropy(forward(batch), labels, reduction="none"),
            self.budget,
            steps=self.steps,
            alpha=self.alpha,
            sign=1,
        )
        return (images + delta).clamp(0, 1)
