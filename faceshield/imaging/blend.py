"""δ goes back into the full-size photo: feathered at its border, nothing changed outside it."""

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

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)[:, None, None]
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
    new upright pixels of the photo's own dtype and, for each face, the region that could change. ‖change‖∞ ≤ ε also
    where two faces' regions overlap; a grey photo stays grey.
    """
    pixels = photo.pixels.copy()
    pending: list[tuple[Region, NDArray[np.int32]]] = []
    for delta, matrix in deltas:
        patch, (y0, x0) = unwarp(feather(delta), matrix, photo.pixels.shape[:2])
        change = patch.numpy()
        if photo.grey:
            change = (change * LUMA).sum(0, keepdims=True).repeat(3, 0)
        region = Region(y0, x0, y0 + change.shape[1], x0 + change.shape[2])
        pending.append((region, to_levels(change, epsilon, photo.white).transpose(1, 2, 0)))
    if len(pending) == 1:
        region, levels = pending[0]
        region.of(pixels)[:] = add_levels(region.of(pixels), levels, epsilon)
    elif pending:
        total = np.zeros(pixels.shape, np.int32)
        for region, levels in pending:
            region.of(total)[:] += levels
        pixels = add_levels(pixels, total, epsilon)
    return pixels, [region for region, _ in pending]
