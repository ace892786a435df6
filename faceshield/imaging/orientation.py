"""The eight EXIF orientations, as flips and a transposition (numpy views: nothing is copied here)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture as it is meant to be seen. ``stored``: (H, W, …) as in the file; a view of it comes back.

    Orientation 1–8 as in EXIF 0x0112; 5 to 8 swap height and width.
    """
    if orientation >= 5:
        stored = np.swapaxes(stored, 0, 1)
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    return stored


def stored(upright_pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of :func:`upright`: the raster that shows ``upright_pixels`` under the tag ``orientation``."""
    # every orientation undoes itself but the two quarter turns, which undo each other
    return upright(upright_pixels, {6: 8, 8: 6}.get(orientation, orientation))
