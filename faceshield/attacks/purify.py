"""A purifier: a network that learns from pairs of the public tool's output to take its noise off (500 pairs suffice).

Anyone can make pairs: the tool and its bank are public. Only a private noise cannot be learned this way.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from faceshield.attacks.base import Pairs, map_in_parts
from faceshield.data.examples import Examples
from faceshield.training.loop import build_seeded


class Purifier(nn.Module):
    """Predicts the noise of (N, 3, H, W) in [0, 1] by ``depth`` convolutions, most of them at half the size."""

    def __init__(self, width: int = 24, depth: int = 6) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.Sequential(
            *(layer for _ in range(depth - 2) for layer in (nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()))
        )
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.leave = nn.Conv2d(2 * width, 3, 3, padding=1)
        nn.init.zeros_(self.leave.weight)  # it begins by changing nothing

    def forward(self, images: Tensor) -> Tensor:
        """The pictures without what it takes for noise."""
        fine = self.enter(images).relu()
        coarse = self.up(self.middle(self.down(fine).relu())).relu()
        back = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        noise: Tensor = self.leave(torch.cat([fine, back], 1))
        return images - noise


def fit_purifier(pairs: Pairs, generator: Generator, *, steps: int = 400, batch: int = 16, crop: int = 64) -> Purifier:
    """A purifier of ``pairs``, by Adam on the squared error of crops of ``crop`` pixels, one position a batch."""
    network = build_seeded(Purifier, int(torch.randint(2**31, (1,), generator=generator)))
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    crop = min(crop, *pairs.clean.shape[-2:])
    for _ in range(steps):
        index = torch.randint(len(pairs.clean), (batch,), generator=generator)
        y, x = (int(torch.randint(side - crop + 1, (1,), generator=generator)) for side in pairs.clean.shape[-2:])
        clean, cloaked = (
            side[index, :, y : y + crop, x : x + crop].float() / 255 for side in (pairs.clean, pairs.cloaked)
        )
        optimizer.zero_grad()
        F.mse_loss(network(cloaked), clean).mul(255**2).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def purify_examples(training: Examples, pairs: Pairs, generator: Generator) -> Examples:
    """``training`` after a purifier that was fitted to ``pairs``."""
    network = fit_purifier(pairs, generator)
    with torch.no_grad():
        return replace(training, images=map_in_parts(network, training.images, 64))
