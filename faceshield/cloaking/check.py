"""What a finished file gives back against the original: the bound from its own bytes, or what its codec added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.options import Options
from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.evaluation.visibility import linf_255
from faceshield.imaging.blend import Region
from faceshield.imaging.orientation import flips
from faceshield.imaging.photo import Encoded, decode, encode

_SQUARE = 16  # pixels: the largest square that JPEG codes on its own


@dataclass(frozen=True)
class Check:
    """How a file differs from the original.

    lossless: it keeps every pixel it was given · written_linf_255: its L∞ in the faces' regions, in levels of 255 ·
    resaved_linf_255: the same for the untouched original saved alike, what the codec alone costs
    """

    lossless: bool
    written_linf_255: float
    resaved_linf_255: float


def check(
    photo: Photo, pixels: NDArray[Any], encoded: Encoded, regions: Sequence[Region], epsilon: float, options: Options
) -> Check:
    """``encoded``, made of ``pixels``, against ``photo``.

    A lossless file is decoded as a whole and held to ε, and to no change outside ``regions``, from its bytes alone. A
    JPEG is measured on the regions only, coded once more by themselves: its squares of 16 pixels do not know of each
    other, so this gives what decoding the whole file would. Raises PhotoError where the format kept neither the size
    nor, in PNG and TIFF, the pixels.
    """
    if encoded.format == "JPEG":
        return Check(
            False,
            max(_coded(photo, pixels, region, options) for region in regions),
            max(_coded(photo, photo.pixels, region, options) for region in regions),
        )
    decoded = decode(encoded.data, photo.path)
    if decoded.pixels.shape != pixels.shape:
        raise PhotoError(f"{photo.path}: came back in another size and was not written; use --format png")
    written = _worst(photo, decoded, regions)
    if decoded.pixels.dtype != pixels.dtype or not np.array_equal(decoded.pixels, pixels):
        if encoded.format in ("PNG", "TIFF"):
            raise PhotoError(f"{photo.path}: its format did not keep the pixels and was not written; use --format png")
        saved = encode(photo, photo.pixels, format=options.format, quality=options.quality, metadata="none")
        return Check(False, written, _worst(photo, decode(saved.data, photo.path), regions))
    rest = decoded.pixels.copy()
    for region in regions:
        region.of(rest)[:] = region.of(photo.pixels)
    assert written <= epsilon * 255 + 1e-3, f"{photo.path}: the written bytes break the bound ({written}/255)"
    assert np.array_equal(rest, photo.pixels), f"{photo.path}: the written bytes changed outside the face"
    return Check(True, written, 0.0)


def _coded(photo: Photo, pixels: NDArray[Any], region: Region, options: Options) -> float:
    """L∞ in ``region`` between ``photo`` and the JPEG of ``pixels``, of which only that part is coded."""
    height, width = photo.pixels.shape[:2]
    down, across = flips(photo.orientation)
    y0, y1 = _squares(region.y0, region.y1, height, down)
    x0, x1 = _squares(region.x0, region.x1, width, across)
    cut = Region(y0, x0, y1, x1)
    part = replace(photo, pixels=cut.of(photo.pixels), alpha=None if photo.alpha is None else cut.of(photo.alpha))
    coded = encode(part, cut.of(pixels), format=options.format, quality=options.quality, metadata="none")
    return _worst(part, decode(coded.data, photo.path), [region.within(cut)])


def _squares(start: int, stop: int, length: int, flipped: bool) -> tuple[int, int]:
    """``start:stop`` of an upright side of ``length``, grown by a square and to whole squares of the stored raster."""
    if flipped:
        first, last = _squares(length - stop, length - start, length, False)
        return length - last, length - first
    last = -(-(stop + _SQUARE) // _SQUARE) * _SQUARE
    return max(0, start - _SQUARE) // _SQUARE * _SQUARE, min(length, last)


def _worst(photo: Photo, other: Photo, regions: Sequence[Region]) -> float:
    same = photo.pixels.dtype == other.pixels.dtype
    a, b = (photo.pixels, other.pixels) if same else (photo.rgb8(), other.rgb8())
    return max(linf_255(region.of(a), region.of(b)) for region in regions)
