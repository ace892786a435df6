"""UEraser: of several strong augmentations of each picture the network learns from the one that it finds hardest.

Qin, Gao, Zhao, Ye and Xu, "Learning the Unlearnable: Adversarial Augmentations Suppress Unlearnable Example Attacks",
2023 (UEraser-max). No torchvision, no kornia: the policy is that paper's in this package's own operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.data.augment import Augment, compose, to_device
from faceshield.data.policy import fast_autoaugment
from faceshield.noise.base import Forward

SHARE = 0.5
"""How many of the pictures each of the policy's first three operations changes."""


@dataclass(frozen=True)
class HardestOf:
    """Of ``tries`` draws of ``augment`` each picture's own of largest loss: argmax over T of L(f(T(x)), y).

    The paper draws 5; each costs a forward pass more a step. One is its UEraser-lite, for trainings too short to learn
    from the hardest of several.
    """

    augment: Augment
    tries: int = 3

    @torch.no_grad()
    def __call__(self, forward: Forward, images: Tensor, labels: Tensor, generator: Generator) -> Tensor:
        """images (N, 3, H, W) float in [0, 1], and so is the result; ``labels`` (N,) int64 or (N, classes)."""
        hardest, most = images, torch.full((len(images),), -torch.inf, device=images.device)
        for _ in range(self.tries):
            tried = self.augment(images, generator)
            losses = F.cross_entropy(forward(tried), labels, reduction="none")
            better = losses > most
            hardest = torch.where(better.view(-1, 1, 1, 1), tried, hardest)
            most = torch.where(better, losses, most)
        return hardest


def draw_plasma(images: Tensor, generator: Generator) -> Tensor:
    """(N, 1, H, W) in [0, 1]: clouds for ``images`` (N, 3, H, W), each with a roughness from 0.3 to 0.7.

    Uniform values on grids of 2, 3, 5, … points, each grid's share ``roughness`` times that of the last coarser one.
    """
    count, _, height, width = images.shape
    roughness = 0.3 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator)
    clouds, weight, cells = torch.zeros(count, 1, height, width), torch.ones(count, 1, 1, 1), 1
    while cells < max(height, width):
        grid = torch.rand(count, 1, cells + 1, cells + 1, generator=generator) - 0.5
        clouds += weight * F.interpolate(grid, (height, width), mode="bilinear", align_corners=True)
        weight, cells = weight * roughness, 2 * cells
    low, high = clouds.amin((1, 2, 3), keepdim=True), clouds.amax((1, 2, 3), keepdim=True)
    return to_device((clouds - low) / (high - low).clamp_min(1e-6), images.device)


def brighten_by_plasma(images: Tensor, generator: Generator) -> Tensor:
    """x + a·(2·clouds − 1), a from 0.5 to 1, in half of the pictures (N, 3, H, W), float in [0, 1]."""
    strength = 0.5 + 0.5 * torch.rand(len(images), 1, 1, 1, generator=generator)
    clouds = draw_plasma(images, generator)
    changed = (images + to_device(strength, images.device) * (2 * clouds - 1)).clamp(0, 1)
    return _change_some(images, changed, generator)


def contrast_by_plasma(images: Tensor, generator: Generator) -> Tensor:
    """(x − ½)·4·clouds + ½ in half of the pictures (N, 3, H, W), float in [0, 1]."""
    changed = ((images - 0.5) * 4 * draw_plasma(images, generator) + 0.5).clamp(0, 1)
    return _change_some(images, changed, generator)


def shuffle_channels(images: Tensor, generator: Generator) -> Tensor:
    """The three channels in another order, each picture's own, in half of the pictures (N, 3, H, W)."""
    order = to_device(torch.rand(len(images), 3, generator=generator).argsort(1), images.device)
    changed = images.gather(1, order[:, :, None, None].expand_as(images))
    return _change_some(images, changed, generator)


def _change_some(images: Tensor, changed: Tensor, generator: Generator) -> Tensor:
    chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < SHARE
    return torch.where(to_device(chosen, images.device), changed, images)


POLICY = compose(brighten_by_plasma, contrast_by_plasma, shuffle_channels, partial(fast_autoaugment, operations=1))
"""The paper's policy. TrivialAugment's one operation at a random strength is drawn from Fast AutoAugment's five."""
