"""Add δ to the full-size photo: feathered at its border, with no change outside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.types import Photo
from faceshield.imaging.quantize import add_levels, to_levels
from faceshield.imaging.warp import unwarp

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green and blue (BT.601, as in JPEG)
FEATHER = 8


@dataclass(frozen=True)
class Region:
    """A rectangle of photo pixels, rows y0:y1 and columns x0:x1."""

    y0: int
    x0: int
    y1: int
    x1: int

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The rectangle's view of ``pixels`` (H, W, …)."""
        return pixels[self.y0 : self.y1, self.x0 : self.x1]

    def intersect(self, other: Region) -> Region | None:
        """The rectangle that lies in both; None where they do not overlap."""
        y0, x0 = max(self.y0, other.y0), max(self.x0, other.x0)
        y1, x1 = min(self.y1, other.y1), min(self.x1, other.x1)
        return Region(y0, x0, y1, x1) if y0 < y1 and x0 < x1 else None

    def within(self, other: Region) -> Region:
        """The same pixels, counted from the corner of ``other``."""
        return Region(self.y0 - other.y0, self.x0 - other.x0, self.y1 - other.y0, self.x1 - other.x0)


def feather(delta: Tensor, width: int = FEATHER) -> Tensor:
    """δ (…, S, S) faded to zero over ``width`` canvas pixels at its border (raised cosine): no visible edge."""
    size = delta.shape[-1]
    distance = torch.minimum(torch.arange(size), torch.arange(size - 1, -1, -1)).float() + 0.5
    ramp = 0.5 - 0.5 * torch.cos(torch.pi * (distance / width).clamp(max=1))
    return delta * ramp.to(delta)[:, None] * ramp.to(delta)


def blend(
    photo: Photo, deltas: Sequence[tuple[Tensor, NDArray[np.float32]]], epsilon: float
) -> tuple[NDArray[Any], list[Region]]:
    """Add each face's δ to the photo and round once.

    ``deltas``: pairs of δ (3, S, S) float32 on the canvas and ``photo_to_crop`` (2, 3), see ``imaging.warp``. Returns
    new upright pixels of the photo's dtype and, for each face, the region that could change. ‖change‖∞ ≤ ε also
    where two faces' regions overlap; a grey photo stays grey.
    """
    pixels = photo.pixels.copy()
    pending: list[tuple[Region, NDArray[np.int32]]] = []
    for delta, matrix in deltas:
        patch, (y0, x0) = unwarp(feather(delta), matrix, photo.pixels.shape[:2])
        change = patch.numpy()
        if photo.grey:
            change = np.tensordot(LUMA, change, 1)[None].repeat(3, 0)
        region = Region(y0, x0, y0 + change.shape[1], x0 + change.shape[2])
        pending.append((region, to_levels(change, epsilon, photo.white).transpose(1, 2, 0)))
    for region, levels in pending:
        total = levels.copy()
        for other, more in pending:
            shared = region.intersect(other)
            if other is not region and shared is not None:
                shared.within(region).of(total)[:] += shared.within(other).of(more)
        region.of(pixels)[:] = add_levels(region.of(photo.pixels), total, epsilon)
    return pixels, [region for region, _ in pending]
