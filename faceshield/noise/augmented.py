"""AUE: error-minimizing noise under the augmentation of contrastive learning.

Wang, Zhu and Gao, "Efficient Availability Attacks against Supervised and Contrastive Learning Simultaneously"
(NeurIPS 2024). Under such augmentation the cross-entropy of supervised learning does what a contrastive loss would, so
that the noise holds against both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import split_colour
from faceshield.core.errors import UsageError
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.pgd import Transform

_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class Contrastive:
    """SimCLR's augmentation (Chen et al., 2020) at a ``strength`` s in [0, 1]; all of it is drawn for each example.

    A crop of 1 − 0.9 s to 1 of the area, its sides' ratio within 3/4 and 4/3, brought back to the picture's size; a
    mirror for every second one; with probability 0.8 s brightness, contrast and saturation changed by up to 0.4 s and
    hue by up to 0.1 s of a full turn; with 0.2 s no colour. Differentiable. Contrast is about the picture's mean, hue
    is turned in YIQ.
    """

    strength: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength {self.strength} is out of range; use 0 (a mirror only) to 1 (SimCLR's own)")

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] → the same shape and range."""
        draw = torch.rand(11, len(images), generator=generator).to(images)
        return self._change_colour(self._crop(images, draw[:5]), draw[5:])

    def _crop(self, x: Tensor, draw: Tensor) -> Tensor:
        area = 1 - 0.9 * self.strength * draw[0]
        ratio = (1 / area).clamp(max=4 / 3) ** (2 * draw[1] - 1)  # such that the crop is not wider than the picture
        wide, high = (area * ratio).sqrt(), (area / ratio).sqrt()
        mirrored = torch.where(draw[4] < 0.5, -1.0, 1.0)
        zero = torch.zeros_like(wide)
        across = torch.stack([wide * mirrored, zero, (2 * draw[2] - 1) * (1 - wide)], 1)
        down = torch.stack([zero, high, (2 * draw[3] - 1) * (1 - high)], 1)
        grid = F.affine_grid(torch.stack([across, down], 1), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def _change_colour(self, x: Tensor, draw: Tensor) -> Tensor:
        s = self.strength
        draw = draw.view(6, len(x), 1, 1, 1)
        jitter = (draw[0] < 0.8 * s).to(x)
        factor = 1 + (2 * draw[1:4] - 1) * 0.4 * s * jitter
        mean = x.mean((1, 2, 3), keepdim=True)
        x = ((mean + factor[0] * (x - mean)) * factor[1]).clamp(0, 1)
        grey = split_colour(x)[0].unsqueeze(1)
        x = grey + torch.where(draw[5] < 0.2 * s, 0.0, factor[2]) * (x - grey)
        return self._turn_hue(x, (2 * draw[4].flatten() - 1) * 0.1 * s * jitter.flatten()).clamp(0, 1)

    def _turn_hue(self, x: Tensor, turns: Tensor) -> Tensor:
        to_yiq = torch.tensor(_TO_YIQ).to(x)
        cos, sin, one = (turns * 2 * torch.pi).cos(), (turns * 2 * torch.pi).sin(), torch.ones_like(turns)
        zero = torch.zeros_like(turns)
        turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
        return torch.einsum("nij,njhw->nihw", torch.linalg.inv(to_yiq) @ turn @ to_yiq, x)


@dataclass(frozen=True)
class Augmented(ErrorMin):
    """Algorithm 1 with one strong augmentation for both players: min_θ min_δ E_a CE(f_θ(a(x + δ)), y).

    The authors' strength is 0.6 on CIFAR-10 and 1.0 on CIFAR-100. Cost: error-min's and that of the augmentation. The
    error under so strong a view seldom gets small: bound ``rounds``.
    """

    name: ClassVar[str] = "aue"

    view: Transform | None = Contrastive()
