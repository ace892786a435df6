"""Check an encoded animation against the original, frame by frame, from its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.check import Check
from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.imaging.animation import Animation, open_animation
from faceshield.imaging.blend import Region
from faceshield.imaging.photo import Encoded

_ONE_MS = 1.0  # the rounding of formats that count whole ms


def check_frames(
    animation: Animation,
    frames: Iterable[tuple[Photo, float]],
    encoded: Encoded,
    regions: Sequence[Sequence[Region]],
    epsilon: float,
    resave: Callable[[], Encoded],
) -> Check:
    """Compare ``encoded`` with ``animation``; ``frames`` are the cloaked frames that it was encoded from.

    ``regions`` are those of each frame that may have changed. ``resave`` encodes the untouched frames in the same way;
    it is called where the codec is lossy. A lossless file must keep to ε and change nothing outside the regions, in
    every visible pixel. Raises PhotoError where frames, their times or the number of repeats are lost.
    """
    back = _reopen(animation, encoded)
    lossless, written = True, 0.0
    for (before, ms), (given, _), (after, lasts), allowed in zip(
        animation.frames(), frames, back.frames(), regions, strict=True
    ):
        if after.pixels.shape != before.pixels.shape or abs(lasts - ms) > _ONE_MS:
            raise PhotoError(f"{animation.path}: a frame came back in another size or time; use --format png")
        lossless &= not _difference(given, after).any()
        difference = _difference(before, after)
        written = max([written, *(float(region.of(difference).max()) for region in allowed)])
        for region in allowed:
            region.of(difference)[:] = 0
        assert not (lossless and difference.any()), f"{animation.path}: the written bytes changed outside the face"
    if lossless:
        assert written <= epsilon * 255 + 1e-3, f"{animation.path}: the written bytes break the bound ({written}/255)"
        return Check(True, written, 0.0)
    if encoded.format == "PNG":
        raise PhotoError(f"{animation.path}: its format did not keep the pixels and was not written")
    resaved = 0.0
    again = _reopen(animation, resave()).frames()
    for (before, _), (after, _), allowed in zip(animation.frames(), again, regions, strict=True):
        difference = _difference(before, after)
        resaved = max([resaved, *(float(region.of(difference).max()) for region in allowed)])
    return Check(False, written, resaved)


def _reopen(animation: Animation, encoded: Encoded) -> Animation:
    back = open_animation(encoded.data, animation.path)
    if back is None or (back.count, back.plays) != (animation.count, animation.plays):
        raise PhotoError(f"{animation.path}: its frames did not come back and it was not written; use --format png")
    return back


def _difference(one: Photo, other: Photo) -> NDArray[Any]:
    """(H, W) largest difference of two frames over the colours, in levels; 0 where ``one`` is transparent."""
    # no wider integers, and plane by plane: ``max(axis=2)`` takes ten times as long
    apart = np.maximum(one.pixels, other.pixels) - np.minimum(one.pixels, other.pixels)
    worst: NDArray[Any] = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
    return worst if one.alpha is None else worst * (one.alpha > 0)
