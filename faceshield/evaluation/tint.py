"""What of a change shows as patches of colour or light, and what as edges: CIE Lab seen at the scale of a face.

Pixels are first averaged down to the noise canvas' scale, on which a face is 105.5 pixels high: no noise is finer.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceshield.faces.align import USUAL_BOX_112

SIGMA = 1 / 25
"""Width of the Gaussian that is the surroundings of a place, as a part of the face's size."""

ON_CANVAS = float(USUAL_BOX_112[3] - USUAL_BOX_112[1])
"""Size of a face on the noise canvas, in pixels."""

Lab = NDArray[np.float32]


def shrink(pixels: NDArray[Any], face: float) -> tuple[NDArray[np.float32], float]:
    """``pixels`` as float32 in [0, 1], area-averaged to the canvas' scale, and by how much (1: as it was).

    ``pixels`` (H, W, 3) uint8 or uint16, not empty. ``face``: the size of the face in it, the longer side of its box in
    pixels. A face that is smaller than on the canvas stays as it is.
    """
    factor = max(1.0, face / ON_CANVAS)
    values = pixels.astype(np.float32)
    height, width = pixels.shape[:2]
    if factor > 1:
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    return values / float(np.iinfo(pixels.dtype).max), factor


def measure_patches(a: NDArray[Any], b: NDArray[Any], face: float) -> tuple[float, float]:
    """How much a change shows as patches, and how much as edges; (0, 0) where nothing differs.

    ``a`` (the original) and ``b``: (H, W, 3) RGB of one dtype, uint8 or uint16, usually the face's region; ``face``
    as in :func:`shrink`. Both figures are of the places that differ:

    * tint: the mean CIEDE2000 of the smoothed difference: between the two pictures' Lab smoothed by a Gaussian of a
      25th of the face, as S-CIELAB filters before it compares (Zhang and Wandell, 1996). Noise that averages out over
      that width has none.
    * contrast: the 95th percentile of the change's local contrast over the photo's. It is the standard deviation of
      the Lab difference within the same Gaussian, divided by 1 (about the least ΔE that is seen) + that of the photo:
      texture masks a change of its own contrast or less (Legge and Foley, 1980). An even shift has none.
    """
    if not a.size or np.array_equal(a, b):
        return 0.0, 0.0
    from skimage.color import deltaE_ciede2000, rgb2lab  # half a second that only this pays

    small, factor = shrink(a, face)
    before, after = rgb2lab(small), rgb2lab(shrink(b, face)[0])
    changed = (before != after).any(-1)
    sigma = SIGMA * face / factor
    tint = deltaE_ciede2000(_blur(before, sigma), _blur(after, sigma))
    contrast = _spread(after - before, sigma) / (1 + _spread(before, sigma))
    return float(tint[changed].mean()), float(np.percentile(contrast[changed], 95))


def _spread(lab: Lab, sigma: float) -> Lab:
    """Local standard deviation (H, W) over all three axes of ``lab`` (H, W, 3)."""
    variance = _blur(lab * lab, sigma) - _blur(lab, sigma) ** 2
    return np.asarray(np.sqrt(np.maximum(variance.sum(-1), 0)), np.float32)


def _blur(lab: Lab, sigma: float) -> Lab:
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
