"""Pixels as indices into at most 256 colours, as GIF stores them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_COLOURS = 256
_REFINEMENTS = 3  # rounds of k-means after the median cut: fewer bands on skin, and more of δ is kept


class Indexed(NamedTuple):
    """A picture as indices into a palette.

    Attributes:
        indices: (H, W) uint8.
        palette: (n ≤ 256, 3) uint8 RGB.
        clear: index of the transparent colour, or None.
        exact: whether every visible pixel keeps its colour.
    """

    indices: NDArray[np.uint8]
    palette: NDArray[np.uint8]
    clear: int | None
    exact: bool


def index_colours(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None = None) -> Indexed:
    """Index the colours of ``rgb`` (H, W, 3): all of them if at most 256, else the 256 that fit best, not dithered.

    Dither would add noise to δ and make frames flicker. Where ``alpha`` (H, W) is below 128 a pixel is transparent;
    transparency takes one of the 256 colours.
    """
    hidden = None if alpha is None or alpha.min() >= 128 else alpha < 128
    most = _COLOURS - (hidden is not None)
    packed = (rgb[..., 0].astype(np.uint32) << 16) | (rgb[..., 1].astype(np.uint32) << 8) | rgb[..., 2]
    if hidden is not None:
        packed[hidden] = packed[~hidden][0] if not hidden.all() else 0
    colours = np.unique(packed)
    exact = len(colours) <= most
    if exact:
        indices = np.searchsorted(colours, packed).astype(np.uint8)
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], 1).astype(np.uint8)
    else:
        shown = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 2).astype(np.uint8)
        picture = Image.fromarray(shown).quantize(most, Image.Quantize.MEDIANCUT, kmeans=_REFINEMENTS)
        indices = np.array(picture)
        palette = np.array(picture.getpalette() or [], np.uint8).reshape(-1, 3)[: int(indices.max()) + 1]
    if hidden is None:
        return Indexed(indices, palette, None, exact)
    indices[hidden] = len(palette)
    return Indexed(indices, np.vstack([palette, np.zeros((1, 3), np.uint8)]), len(palette), exact)
