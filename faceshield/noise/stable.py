"""SEM: as robust as REM is meant to be, with random perturbations in place of its adversary in the steps of δ.

Liu et al., "Stable Unlearnable Example: Enhancing the Robustness of Unlearnable Examples via Stable Error-Minimizing
Noise" (AAAI 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from faceshield.noise.pgd import Loss
from faceshield.noise.robust import Robust


@dataclass(frozen=True)
class Stable(Robust):
    """min_δ E_a E_ρ CE(f_θ(a(x + δ) + ρ), y) with ρ uniform in [−ρ_a, ρ_a]; θ is trained adversarially, as in REM.

    All settings and defaults are REM's: the authors change this one step of its program. Cost of one pass over an
    example: steps · draws passes through the network, 50 with their numbers, and ascents + 1 for each that θ is
    fitted on.
    """

    name: ClassVar[str] = "sem"

    def _disturb(self, batch: Tensor, loss: Loss, rng: Generator) -> Tensor:
        if not self.radius:
            return batch
        uniform = torch.rand(batch.shape, generator=rng).to(batch.device)  # drawn on the CPU: the same on every device
        return (batch + (2 * uniform - 1) * self.radius).clamp(0, 1)
