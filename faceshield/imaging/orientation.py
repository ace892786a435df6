"""The eight EXIF orientations (tag 0x0112)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_HORIZONTAL, _VERTICAL, _BOTH = 1, 0, -1  # OpenCV's flip codes
_FLIPS = {2: _HORIZONTAL, 3: _BOTH, 4: _VERTICAL, 6: _HORIZONTAL, 7: _BOTH, 8: _VERTICAL}


def turn_upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture as it is meant to be seen: contiguous, and ``stored`` itself where nothing is to be done.

    ``stored``: (H, W) or (H, W, 2–4) uint8 or uint16 as in the file. Orientations 5 to 8 swap height and width.
    """
    # OpenCV's transposition is several times faster than copying a transposed numpy view
    turned: NDArray[Any] = cv2.transpose(stored) if orientation >= 5 else stored
    if orientation in _FLIPS:
        turned = cv2.flip(turned, _FLIPS[orientation])
    return np.ascontiguousarray(turned)


def view_upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """:func:`turn_upright` as a view of ``stored``, for a picture too large to be copied whole."""
    turned: NDArray[Any] = stored.swapaxes(0, 1) if orientation >= 5 else stored
    down, across = flips(orientation)
    return turned[:: -1 if down else 1, :: -1 if across else 1]


def view_back(upright_pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """:func:`turn_back` as a view of ``upright_pixels``."""
    return view_upright(upright_pixels, _undo(orientation))


def turn_back(upright_pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of :func:`turn_upright`: the raster that shows ``upright_pixels`` under the tag ``orientation``."""
    return turn_upright(upright_pixels, _undo(orientation))


def _undo(orientation: int) -> int:
    # every orientation undoes itself but the two quarter turns, which undo each other
    return {6: 8, 8: 6}.get(orientation, orientation)


def flips(orientation: int) -> tuple[bool, bool]:
    """Whether the upright picture's rows, and its columns, count from the end of the stored raster's sides."""
    code = _FLIPS.get(orientation)
    return code in (_VERTICAL, _BOTH), code in (_HORIZONTAL, _BOTH)
