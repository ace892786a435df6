"""The only rounding: δ in [0, 1] units becomes whole pixel levels here, bounded by ε and by black and white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def limit(epsilon: float, white: int) -> int:
    """The largest whole number of levels within ``epsilon`` (8/255 is 8 of 255, 2056 of 65535)."""
    return int(np.floor(epsilon * white + 1e-6))


def to_levels(delta: NDArray[np.float32], epsilon: float, white: int) -> NDArray[np.int32]:
    """δ (any shape, units of [0, 1]) rounded once to signed levels of a picture whose white is ``white``."""
    bound = limit(epsilon, white)
    levels: NDArray[np.int32] = np.clip(np.rint(delta * np.float32(white)), -bound, bound).astype(np.int32)
    return levels


def add_levels(pixels: NDArray[Any], levels: NDArray[np.int32], epsilon: float) -> NDArray[Any]:
    """``pixels`` (uint8 or uint16) + ``levels``, same dtype; |change| ≤ ε even after summing several faces."""
    white = int(np.iinfo(pixels.dtype).max)
    bound = limit(epsilon, white)
    return np.clip(pixels.astype(np.int32) + np.clip(levels, -bound, bound), 0, white).astype(pixels.dtype)
