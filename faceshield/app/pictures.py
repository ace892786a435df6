"""Pictures that a browser can show: reduced photos, and before, after and difference side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.core.types import Photo
from faceshield.imaging.blend import Region
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode
from faceshield.reports.show import amplify_change

SHOWN = 1200  # longer side of a compared picture in pixels; a face is shown pixel by pixel up to this
PARTS = ("before", "after", "difference")


def save_picture(rgb: NDArray[np.uint8], path: Path, longest: int, icc: bytes | None = None) -> None:
    """Write ``rgb`` (H, W, 3) as a JPEG of at most ``longest`` pixels a side, in the colours of the profile ``icc``."""
    Image.fromarray(_reduce(rgb, longest)).save(path, "JPEG", quality=88, icc_profile=icc or b"")


@dataclass(frozen=True)
class Triple:
    """A photo before and after, of one size."""

    before: Photo
    after: Photo

    @staticmethod
    def load(original: Path, cloaked: Path) -> Triple:
        """Raises PhotoError for unreadable files, UsageError where their sizes differ."""
        before, after = (decode(read(path), path, first=True) for path in (original, cloaked))
        if before.pixels.shape != after.pixels.shape:
            raise UsageError(f"{cloaked}: is not of the size of {original}; cloak it again")
        return Triple(before, after)

    def write(self, folder: Path, name: str, region: Region | None) -> None:
        """Write ``region``, or the whole, as ``folder/NAME-before.png``, ``-after.png`` and ``-difference.png``.

        PNG, since a lossy picture would add a noise of its own to the one that is to be seen.
        """
        folder.mkdir(parents=True, exist_ok=True)
        before, after = self.before.rgb8(), self.after.rgb8()
        if region is not None:
            before, after = region.of(before), region.of(after)
        for part, pixels in zip(PARTS, (before, after, amplify_change(before, after)), strict=True):
            profile = self.before.icc if part != "difference" and not self.before.grey else None
            picture = Image.fromarray(_reduce(pixels, SHOWN))
            picture.save(folder / f"{name}-{part}.png", compress_level=1, icc_profile=profile or b"")


def write_triple(original: Path, cloaked: Path, folder: Path, name: str, region: Region | None) -> None:
    """:meth:`Triple.write` of two files."""
    Triple.load(original, cloaked).write(folder, name, region)


def _reduce(rgb: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    scale = longest / max(rgb.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(rgb)
    size = [max(1, round(side * scale)) for side in (rgb.shape[1], rgb.shape[0])]
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
