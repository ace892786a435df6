"""The nouns. Images are float32 RGB in [0, 1] as (N, 3, H, W); δ has the same units; nothing is mutated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError

Form = Literal["sample", "class"]
Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)`` is called after each item."""


@dataclass(frozen=True)
class Photo:
    """One decoded picture, upright, and what is needed to write it back as it was.

    pixels   (H, W, 3) uint8 or uint16, RGB, upright (EXIF orientation already applied)
    grey     True where the file has one colour channel: the three planes are equal and must stay so
    alpha    (H, W) of the same dtype as ``pixels``, upright, or None
    format   "JPEG" | "PNG" | "WEBP" | "TIFF" | "HEIF" | … as Pillow names it
    exif     raw EXIF bytes as found in the file, or None
    icc      ICC profile bytes, or None
    orientation  the EXIF orientation 1–8 of the stored raster; writing turns the pixels back to it
    details  what the encoder needs to repeat the file's own settings (quantisation tables, …)
    """

    pixels: NDArray[Any]
    path: Path
    format: str
    grey: bool = False
    alpha: NDArray[Any] | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    orientation: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def white(self) -> int:
        """The largest pixel value: 255, or 65535 for 16-bit files."""
        return int(np.iinfo(self.pixels.dtype).max)

    def rgb8(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB view for detectors and pages; 16-bit photos are reduced."""
        if self.pixels.dtype == np.uint8:
            return self.pixels
        return to_uint8(self.pixels)


def to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """uint16 ``values`` as the nearest of 256 levels: 0 to 0, 65535 to 255, so that ε means the same before and after
    (a shift by 8 bits would take a change of 8/255 for one of 9 now and then).
    """
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


@dataclass(frozen=True)
class Face:
    """A detected face in upright photo pixels; pixel centres are at whole numbers.

    box (4,) float32 x0, y0, x1, y1 · landmarks (5, 2) float32 x, y: left eye, right eye (as seen in the
    picture), nose, left and right mouth corner · score in [0, 1]
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float

    @property
    def size(self) -> float:
        """Longer side of the box in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


@dataclass(frozen=True)
class AlignedFace:
    """A face carried to the template: image (3, S, S) float32 RGB [0, 1].

    ``photo_to_crop`` (2, 3) float32 maps photo (x, y, 1) to crop (x, y), pixel centres at whole numbers.
    """

    image: Tensor
    photo_to_crop: NDArray[np.float32]
    face: Face


@dataclass(frozen=True)
class Noise:
    """δ for a set of keys. delta (N, 3, h, w) float32 in pixel units [−ε, ε]; ``keys[i]`` owns ``delta[i]``.

    ``form`` "class": a key is a class (an identity); "sample": a key is an example id.
    """

    delta: Tensor
    form: Form
    keys: Sequence[str]
    budget: Budget
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.delta):
            raise StoreError(f"noise has {len(self.delta)} deltas but {len(self.keys)} keys; they must match")

    def rows(self, keys: Sequence[str]) -> Tensor:
        """(len(keys),) int64: where each key's δ lies in ``delta``. Raises StoreError naming the first absent key."""
        index = {key: i for i, key in enumerate(self.keys)}
        absent = next((key for key in keys if key not in index), None)
        if absent is not None:
            raise StoreError(f"the noise has no entry {absent!r}; it was made for other data")
        return torch.tensor([index[key] for key in keys], dtype=torch.long)

    def for_batch(self, keys: Sequence[str]) -> Tensor:
        """(len(keys), 3, h, w) in the order asked for. Raises StoreError naming the first absent key."""
        return self.delta[self.rows(keys)]
