"""Check an encoded photo against the original: ε from its bytes, or how much a lossy codec has added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.options import Options
from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.evaluation.visibility import linf_255
from faceshield.imaging.blend import Changed, Patch, Pixels, Region
from faceshield.imaging.orientation import flips
from faceshield.imaging.photo import Encoded, decode, encode

_BAND = 256  # rows
_SQUARE = 16  # pixels: the largest square that JPEG codes on its own


@dataclass(frozen=True)
class Check:
    """How a file differs from the original.

    Attributes:
        lossless: whether it keeps every pixel it was given.
        written_linf_255: L∞ distance from the original in the faces' regions, in levels of 255.
        resaved_linf_255: the same for the untouched original saved in the same way: the codec's part.
    """

    lossless: bool
    written_linf_255: float
    resaved_linf_255: float


class Written:
    """An encoded file that is decoded once, when its pixels are first asked for."""

    def __init__(self, encoded: Encoded, path: Path) -> None:
        """``path`` is the original's, for messages."""
        self.encoded, self._path = encoded, path

    @cached_property
    def photo(self) -> Photo:
        """The picture that its bytes hold. Raises PhotoError where they hold none."""
        return decode(self.encoded.data, self._path)


def check(
    photo: Photo, pixels: Pixels, written: Written, regions: Sequence[Region], epsilon: float, options: Options
) -> Check:
    """Compare the ``written`` file, encoded from ``pixels``, with ``photo``.

    A lossless file is decoded as a whole: it must keep to ε and change nothing outside ``regions``. A JPEG is measured
    on the regions only, coded once more by themselves. JPEG codes each square of 16 pixels on its own, so this gives
    what decoding the whole file would. Raises PhotoError where the format has not kept the size or, in PNG and TIFF,
    the pixels.
    """
    encoded = written.encoded
    if encoded.format == "JPEG":
        return Check(
            False,
            max(_recode(photo, pixels, region, options) for region in regions),
            max(_recode(photo, photo.pixels, region, options) for region in regions),
        )
    decoded = written.photo
    if decoded.pixels.shape != pixels.shape:
        raise PhotoError(f"{photo.path}: came back in another size and was not written; use --format png")
    change = _worst(photo, decoded, regions)
    if decoded.pixels.dtype != pixels.dtype or not _equal(decoded.pixels, pixels):
        if encoded.format in ("PNG", "TIFF"):
            raise PhotoError(f"{photo.path}: its format did not keep the pixels and was not written; use --format png")
        saved = encode(photo, photo.pixels, format=options.format, quality=options.quality, metadata="none")
        return Check(False, change, _worst(photo, decode(saved.data, photo.path), regions))
    rest = Changed(decoded.pixels, [Patch(region, region.of(photo.pixels)) for region in regions])
    assert change <= epsilon * 255 + 1e-3, f"{photo.path}: the written bytes break the bound ({change}/255)"
    assert _equal(photo.pixels, rest), f"{photo.path}: the written bytes changed outside the face"
    return Check(True, change, 0.0)


def _equal(a: NDArray[Any], b: Pixels) -> bool:
    """Whether two pictures of one size are the same, looked at in bands: numpy would need as much memory again."""
    return all(np.array_equal(a[y : y + _BAND], b[y : y + _BAND]) for y in range(0, len(a), _BAND))


def _recode(photo: Photo, pixels: Pixels, region: Region, options: Options) -> float:
    """L∞ in ``region`` between ``photo`` and the JPEG of ``pixels``; only the squares around it are coded."""
    height, width = photo.pixels.shape[:2]
    down, across = flips(photo.orientation)
    y0, y1 = _squares(region.y0, region.y1, height, down)
    x0, x1 = _squares(region.x0, region.x1, width, across)
    cut = Region(y0, x0, y1, x1)
    part = replace(photo, pixels=cut.of(photo.pixels), alpha=None if photo.alpha is None else cut.of(photo.alpha))
    coded = encode(part, cut.of(pixels), format=options.format, quality=options.quality, metadata="none")
    return _worst(part, decode(coded.data, photo.path), [region.within(cut)])


def _squares(start: int, stop: int, length: int, flipped: bool) -> tuple[int, int]:
    """``start:stop`` of an upright side of ``length``, widened by a square and to whole squares of the raster."""
    if flipped:
        first, last = _squares(length - stop, length - start, length, False)
        return length - last, length - first
    last = -(-(stop + _SQUARE) // _SQUARE) * _SQUARE
    return max(0, start - _SQUARE) // _SQUARE * _SQUARE, min(length, last)


def _worst(photo: Photo, other: Photo, regions: Sequence[Region]) -> float:
    same = photo.pixels.dtype == other.pixels.dtype
    a, b = (photo.pixels, other.pixels) if same else (photo.rgb8(), other.rgb8())
    return max(linf_255(region.of(a), region.of(b)) for region in regions)
