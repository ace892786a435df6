"""How strong noise may be at each place of a face before it is noticed: little on smooth skin, more in hair."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from faceshield.core.budget import split_colour
from faceshield.noise.smooth import smooth

FLOOR = 0.35
SIDE = 128  # the noise canvas: the map is made at its scale, whatever the pictures' size
PLACE = 2.0  # σ of the Gaussian that luma is compared with, in canvas pixels
AROUND = 4.0  # σ of a place's surroundings
ROUGH = 8.0 / 255  # deviation of luma from its local mean that hides half of the noise


def amplitude(images: Tensor, floor: float = FLOOR) -> Tensor:
    """(N, 1, S, S): the part of ε that noise may have at each place, in [``floor``, 1].

    ``images`` (N, 3, S, S) RGB in [0, 1] show the whole noise canvas at any S; ``floor`` in (0, 1]. Differentiable,
    smooth, and of each picture alone. Two published weights are multiplied and cut off at 1:

    * Texture, the noise visibility function of Voloshynovskiy et al. (1999): noise is visible by 1 / (1 + v / ROUGH²).
      Theirs has the local variance for v; here it is the square of luma less its local mean, 0 on shaded skin, and
      the visibility is averaged over the surroundings instead: a lone edge gains less than hair, however high it is.
      The weight is 1 where nothing is visible, ``floor`` where all is.
    * Lightness, by S_L of CIEDE2000 (Sharma et al., 2005): 1 in mid grey, 1.75 in black and in white. Chou and Li's
      thresholds (1995) allow nearly 7 times as much in black, as on the screens of their time; today's show it.

    A δ on the canvas times the map of the photo's own canvas (``faces.align.align``) is carried into the photo like any
    other δ (``imaging.blend``). That gives what a map of the full-size photo would: the map is broader than a canvas
    pixel by far, so nothing is lost when it is enlarged. |δ| ≤ ε and the feathered border stay.
    """
    size = images.shape[-1]
    if size != SIDE:
        images = functional.interpolate(images, [SIDE, SIDE], mode="bilinear", align_corners=False, antialias=True)
    luma = split_colour(images)[0].unsqueeze(1)
    mean = smooth(luma, PLACE)
    visible = smooth(1 / (1 + ((luma - mean) / ROUGH) ** 2), AROUND)
    texture = floor + (1 - floor) * (1 - visible)
    away = 100 * mean - 50  # L* is 100 × luma within 4
    lightness = 1 + 0.015 * away**2 / (20 + away**2).sqrt()
    found = (texture * lightness).clamp(floor, 1)
    if size != SIDE:
        found = functional.interpolate(found, [size, size], mode="bilinear", align_corners=False, antialias=True)
    return found
