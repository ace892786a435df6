"""Random transforms of a face in a collector's pipeline; δ is optimised under them (EOT, Athalye et al. 2018).

The paper's Algorithm 1 has none; recipes/faces/pattern.yaml compares noise made with and without. Every transform is
differentiable, drawn for each example, and seeded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.imaging.blend import LUMA
from faceshield.noise.band import drop_band
from faceshield.noise.jpeg import jpeg

SPREAD = 51.98  # pixels: root of the summed squared distances of the 112×112 template's five points from their mean
Change = Callable[[Tensor, Generator], Tensor]


@lru_cache(maxsize=256)
def _build_resampling(source: int, size: int) -> Tensor:
    """(size, source) weights of torch's antialiased bilinear resize along one axis."""
    rows = torch.eye(source).view(1, 1, source, source)
    return F.interpolate(rows, (size, source), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def resize(images: Tensor, size: int) -> Tensor:
    """Square pictures (N, 3, S, S) → (N, 3, size, size), antialiased: two matrix products.

    The same values as ``F.interpolate(antialias=True)``, whose gradient takes longer on a CPU than the network's.
    """
    weights = _build_resampling(images.shape[-1], size).to(images)
    return weights @ images @ weights.T


@dataclass(frozen=True)
class Transforms:
    """What happens between a photo and a training batch; probabilities and ranges, all per example.

    The last two are off by default; recipes/faces/ablation.yaml compares them.

    Attributes:
        frame: Side of the plain crop in canvas pixels, around the canvas's middle.
        sizes: Sides of the batches that come out; one is drawn for each batch.
        zoom: Least and largest side of the crop, as multiples of ``frame``.
        shift: ± shift of the crop, as a fraction of ``frame``.
        rotate: ± degrees.
        flip: Probability of mirroring.
        colour: ± strength of brightness, contrast and saturation jitter.
        grey: Probability of losing all colour.
        resample: Probability of another size and back.
        scales: Least and largest of these sizes, as shares.
        jpeg: Probability of JPEG.
        quality: Least and highest quality of that JPEG, 1–100.
        landmarks: Standard deviation of each of the five landmarks that align the face, in pixels of a 112 crop.
        band: Probability of losing a random octave of frequencies (``noise.band``).
    """

    frame: int = 112
    sizes: tuple[int, ...] = (64, 80)
    zoom: tuple[float, float] = (0.87, 1.13)
    shift: float = 0.10
    rotate: float = 14.0
    flip: float = 0.5
    colour: float = 0.3
    grey: float = 0.5
    resample: float = 0.3
    scales: tuple[float, float] = (0.5, 1.0)
    jpeg: float = 0.4
    quality: tuple[float, float] = (50.0, 95.0)
    landmarks: float = 0.0
    band: float = 0.0

    def __repr__(self) -> str:
        """Under the class's first name: caches and checkpoints are found by this text."""
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"Views({values})"

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """(N, 3, S, S) RGB in [0, 1] on the canvas → (N, 3, s, s) in [0, 1], s drawn from ``sizes``."""
        size = self.sizes[int(torch.randint(len(self.sizes), (1,), generator=generator))]
        x = self._warp(images, size, generator)
        x = self._jitter_colour(x, generator)
        if self.band:  # what is not asked for draws nothing: noise made without it stays the same
            x = self._change_some(x, self.band, generator, drop_band)
        x = self._change_some(x, self.resample, generator, self._resample)
        return self._change_some(x, self.jpeg, generator, self._jpeg)

    def _draw_uniform(self, count: int, low: float, high: float, generator: Generator, x: Tensor) -> Tensor:
        draw = torch.rand(count, generator=generator, device=generator.device)
        return (low + (high - low) * draw).to(x.device)

    def _warp(self, x: Tensor, size: int, generator: Generator) -> Tensor:
        n, canvas = len(x), x.shape[-1]
        side = self._draw_uniform(n, *self.zoom, generator, x) * self.frame / canvas
        angle = self._draw_uniform(n, -self.rotate, self.rotate, generator, x) * (math.pi / 180)
        moved = self._draw_uniform(2 * n, -self.shift, self.shift, generator, x).view(n, 2) * 2 * self.frame / canvas
        mirrored = torch.where(self._draw_uniform(n, 0, 1, generator, x) < self.flip, -1.0, 1.0)
        cos, sin = side * angle.cos(), side * angle.sin()
        theta = torch.stack([cos * mirrored, -sin, moved[:, 0], sin * mirrored, cos, moved[:, 1]], 1).view(n, 2, 3)
        if self.landmarks:
            theta = self._realign(theta, canvas, generator)
        shrunk = round(canvas * size / self.frame)
        if shrunk < canvas:  # low-pass first: grid_sample alone would alias
            x = resize(x, shrunk)
        grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _realign(self, theta: Tensor, canvas: int, generator: Generator) -> Tensor:
        """``theta`` (n, 2, 3) after the least-squares similarity of five landmarks that are each a little off.

        With independent normal errors of σ pixels its scale and turn are off by σ / SPREAD and its shift by σ / √5.
        """
        off = torch.randn(4, len(theta), generator=generator, device=generator.device).to(theta) * self.landmarks
        along, across = 1 + off[0] / SPREAD, off[1] / SPREAD
        theta = torch.stack([along, -across, across, along], 1).view(-1, 2, 2) @ theta
        shift = off[2:].T * (2 / math.sqrt(5) * self.frame / 112 / canvas)
        return torch.cat([theta[..., :2], theta[..., 2:] + shift[..., None]], 2)

    def _jitter_colour(self, x: Tensor, generator: Generator) -> Tensor:
        n = len(x)
        factor = self._draw_uniform(3 * n, 1 - self.colour, 1 + self.colour, generator, x).view(3, n, 1, 1, 1)
        gone = self._draw_uniform(n, 0, 1, generator, x).view(n, 1, 1, 1) < self.grey
        luma = (x * torch.from_numpy(LUMA).to(x).view(1, 3, 1, 1)).sum(1, keepdim=True)
        x = luma + torch.where(gone, 0.0, factor[0]) * (x - luma)
        mean = x.mean((1, 2, 3), keepdim=True)
        return ((mean + factor[1] * (x - mean)) * factor[2]).clamp(0, 1)

    def _change_some(self, x: Tensor, probability: float, generator: Generator, change: Change) -> Tensor:
        chosen = torch.rand(len(x), generator=generator, device=generator.device) < probability
        if not chosen.any():
            return x
        index = chosen.nonzero()[:, 0].to(x.device)
        return x.index_put((index,), change(x[index], generator))

    def _resample(self, x: Tensor, generator: Generator) -> Tensor:
        size = x.shape[-1]
        least, most = (round(scale * size) for scale in self.scales)
        small = int(torch.randint(least, most, (1,), generator=generator))
        return resize(resize(x, small), size)

    def _jpeg(self, x: Tensor, generator: Generator) -> Tensor:
        return jpeg(x, self._draw_uniform(len(x), *self.quality, generator, x))


@dataclass(frozen=True)
class PlainCrop:
    """The middle ``frame``×``frame`` of the canvas at ``size``; nothing is random (Algorithm 1 as written)."""

    frame: int = 112
    size: int = 64

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """(N, 3, S, S) → (N, 3, size, size); ``generator`` is not used."""
        edge = (images.shape[-1] - self.frame) // 2
        middle = images[..., edge : edge + self.frame, edge : edge + self.frame]
        return resize(middle, self.size)
