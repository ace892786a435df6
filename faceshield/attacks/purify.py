"""A purifier: a network that learns from pairs of the public tool's output to take its noise off (500 pairs suffice).

Anyone can make pairs: the tool and its bank are public. Only a private noise cannot be learned this way.

It takes the noise off in one step, or walks a bridge of several from the noisy picture to the clean one, after Wang et
al., "BridgePure: Revealing the Fragility of Black-box Data Protection", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from faceshield.attacks.base import Pairs, map_in_parts
from faceshield.data.examples import Examples
from faceshield.training.loop import build_seeded


class Purifier(nn.Module):
    """Predicts the noise of (N, 3, H, W) in [0, 1] by ``depth`` convolutions, most of them at half the size.

    It may be told more by as many ``planes``.
    """

    def __init__(self, width: int = 24, depth: int = 6, planes: int = 0) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3 + planes, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.Sequential(
            *(layer for _ in range(depth - 2) for layer in (nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()))
        )
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.leave = nn.Conv2d(2 * width, 3, 3, padding=1)
        nn.init.zeros_(self.leave.weight)  # it begins by changing nothing

    def forward(self, images: Tensor, planes: Tensor | None = None) -> Tensor:
        """The pictures without what it takes for noise; ``planes`` (N, planes, H, W)."""
        fine = self.enter(images if planes is None else torch.cat([images, planes], 1)).relu()
        coarse = self.up(self.middle(self.down(fine).relu())).relu()
        back = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        noise: Tensor = self.leave(torch.cat([fine, back], 1))
        return images - noise


@dataclass(frozen=True)
class Bridge:
    """x_t = (1 − t)·x_0 + t·x_1 + s·√(t(1 − t))·n, n normal: from a clean picture x_0 to its noisy one x_1.

    A purifier that knows x_t and t as well as x_1 guesses x_0. From t = 1 it goes down in ``steps`` equal ones, each
    drawn from the bridge between where it stands and its guess (Liu et al., "I²SB", ICML 2023; BridgePure's is of this
    kind, with a large network). ``spread`` is s, in [0, 1] units: about a noise's own size.
    """

    steps: int = 4
    spread: float = 8 / 255

    def draw(self, clean: Tensor, noisy: Tensor, time: Tensor, generator: Generator) -> Tensor:
        """x_t of pictures (N, 3, H, W) at ``time`` (N, 1, 1, 1)."""
        random = torch.randn(clean.shape, generator=generator).to(clean.device)
        return (1 - time) * clean + time * noisy + self.spread * (time * (1 - time)).sqrt() * random

    def tell(self, at: Tensor, time: Tensor) -> Tensor:
        """The planes (N, 4, H, W) that tell a purifier x_t and t."""
        return torch.cat([at, time.expand(len(at), 1, *at.shape[2:])], 1)

    def walk(self, network: Purifier, noisy: Tensor, generator: Generator) -> Tensor:
        """The clean pictures that ``network`` finds for ``noisy`` (N, 3, H, W), float in [0, 1]."""
        at, guess = noisy, noisy
        for step in range(self.steps, 0, -1):
            now, then = step / self.steps, (step - 1) / self.steps
            guess = network(noisy, self.tell(at, torch.full((1, 1, 1, 1), now, device=noisy.device)))
            random = torch.randn(noisy.shape, generator=generator).to(noisy.device)
            share = then / now
            at = share * at + (1 - share) * guess + self.spread * (then * (now - then) / now) ** 0.5 * random
        return guess


def fit_purifier(
    pairs: Pairs, generator: Generator, *, steps: int = 400, batch: int = 16, crop: int = 64,
    bridge: Bridge | None = None,
) -> Purifier:  # fmt: skip
    """A purifier of ``pairs``, by Adam on the squared error of crops of ``crop`` pixels, one position a batch.

    With a ``bridge``, one for all its steps: the time is uniform, and 1 for a fifth of the pictures.
    """
    planes = 0 if bridge is None else 4
    network = build_seeded(lambda: Purifier(planes=planes), int(torch.randint(2**31, (1,), generator=generator)))
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    crop = min(crop, *pairs.clean.shape[-2:])
    for _ in range(steps):
        index = torch.randint(len(pairs.clean), (batch,), generator=generator)
        y, x = (int(torch.randint(side - crop + 1, (1,), generator=generator)) for side in pairs.clean.shape[-2:])
        clean, cloaked = (
            side[index, :, y : y + crop, x : x + crop].float() / 255 for side in (pairs.clean, pairs.cloaked)
        )
        told = None
        if bridge is not None:
            time = (1.25 * torch.rand(batch, 1, 1, 1, generator=generator)).clamp(max=1).to(clean.device)
            told = bridge.tell(bridge.draw(clean, cloaked, time, generator), time)
        optimizer.zero_grad()
        F.mse_loss(network(cloaked, told), clean).mul(255**2).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def purify_examples(training: Examples, pairs: Pairs, generator: Generator) -> Examples:
    """``training`` after a purifier that was fitted to ``pairs``."""
    network = fit_purifier(pairs, generator)
    with torch.no_grad():
        return replace(training, images=map_in_parts(network, training.images, 64))


def walk_bridge(training: Examples, pairs: Pairs, generator: Generator, *, steps: int = 800) -> Examples:
    """``training`` after the walk of a :class:`Bridge` whose purifier was fitted to ``pairs`` in ``steps``."""
    bridge = Bridge()
    network = fit_purifier(pairs, generator, steps=steps, bridge=bridge)
    with torch.no_grad():
        walk = partial(bridge.walk, network, generator=generator)
        return replace(training, images=map_in_parts(walk, training.images, 64))
