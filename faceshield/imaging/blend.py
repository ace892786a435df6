"""Add δ to the full-size photo: feathered at its border, with no change outside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

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

    def of(self, pixels: Pixels) -> NDArray[Any]:
        """The rectangle's view of ``pixels`` (H, W, …); a copy where they are :class:`Changed`."""
        rectangle: NDArray[Any] = pixels[self.y0 : self.y1, self.x0 : self.x1]
        return rectangle

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


class Patch(NamedTuple):
    """New ``pixels`` (h, w, 3) for a ``region`` of a photo."""

    region: Region
    pixels: NDArray[Any]


class Changed:
    """A photo's pixels (H, W, 3) with patches in their places. Only parts are copied: a panorama takes 600 MB."""

    def __init__(self, pixels: NDArray[Any], patches: Sequence[Patch]) -> None:
        self._pixels, self._patches = pixels, patches
        self.shape, self.dtype = pixels.shape, pixels.dtype

    @property
    def regions(self) -> list[Region]:
        """Where the patches lie."""
        return [patch.region for patch in self._patches]

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        """A copy of some rows, or of some rows and columns, without steps."""
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        (y0, y1, _), (x0, x1, _) = rows.indices(self.shape[0]), columns.indices(self.shape[1])
        cut = Region(y0, x0, y1, x1)
        part: NDArray[Any] = cut.of(self._pixels).copy()
        for region, pixels in self._patches:
            shared = region.intersect(cut)
            if shared is not None:
                shared.within(cut).of(part)[:] = shared.within(region).of(pixels)
        return part

    @contextmanager
    def whole(self) -> Iterator[NDArray[Any]]:
        """All of them: while the block runs the patches lie in the photo's own pixels, which nobody else may use."""
        if not self._pixels.flags.writeable:
            yield self[:]
            return
        before = [region.of(self._pixels).copy() for region in self.regions]
        try:
            for region, pixels in self._patches:
                region.of(self._pixels)[:] = pixels
            yield self._pixels
        finally:
            for region, pixels in zip(self.regions, before, strict=True):
                region.of(self._pixels)[:] = pixels


Pixels = NDArray[Any] | Changed


def blend(
    photo: Photo, deltas: Sequence[tuple[Tensor, NDArray[np.float32]]], epsilon: float
) -> tuple[NDArray[Any], list[Region]]:
    """:func:`make_patches` in a copy of the photo's pixels, and the region of each."""
    changed = Changed(photo.pixels, make_patches(photo, deltas, epsilon))
    return changed[:], changed.regions


def make_patches(photo: Photo, deltas: Sequence[tuple[Tensor, NDArray[np.float32]]], epsilon: float) -> list[Patch]:
    """Add each face's δ to what the photo shows there and round once.

    ``deltas``: pairs of δ (3, S, S) float32 on the canvas and ``photo_to_crop`` (2, 3), see ``imaging.warp``. Returns
    for each face the region that could change with its new upright pixels of the photo's dtype. ‖change‖∞ ≤ ε also
    where two faces' regions overlap, in which both have the same pixels; a grey photo stays grey.
    """
    pending: list[tuple[Region, NDArray[np.int32]]] = []
    for delta, matrix in deltas:
        patch, (y0, x0) = unwarp(feather(delta), matrix, photo.pixels.shape[:2])
        change = patch.numpy()
        if photo.grey:
            change = np.tensordot(LUMA, change, 1)[None].repeat(3, 0)
        region = Region(y0, x0, y0 + change.shape[1], x0 + change.shape[2])
        pending.append((region, to_levels(change, epsilon, photo.white).transpose(1, 2, 0)))
    patches: list[Patch] = []
    for region, levels in pending:
        total = levels.copy()
        for other, more in pending:
            shared = region.intersect(other)
            if other is not region and shared is not None:
                shared.within(region).of(total)[:] += shared.within(other).of(more)
        patches.append(Patch(region, add_levels(region.of(photo.pixels), total, epsilon)))
    return patches
