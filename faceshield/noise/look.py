"""How strong a person's noise is in one photo: the pattern is the person's, its local strength is the photo's."""

from __future__ import annotations

from torch import Tensor

from faceshield.core.budget import Budget, Look
from faceshield.noise.band import amplify
from faceshield.noise.just_noticeable import amplitude

BALANCED = 1.5
"""Gives back in hair and cloth what the photo's map takes from smooth places: the same SSIM, and fewer edges to see."""
STRONG = 1.6


def adjust(delta: Tensor, canvas: Tensor, look: Look, budget: Budget) -> Tensor:
    """δ (3, S, S) for the photo whose face ``canvas`` (3, S, S) RGB in [0, 1] shows, within ``budget``.

    "natural" follows the photo (:func:`~faceshield.noise.just_noticeable.amplitude`): less on smooth skin and walls;
    "balanced" does so too and is amplified within the bound, so that texture hides what smooth places lose; "strong" is
    brought to its bound at most places, whatever the photo shows, with steps that can be seen.
    """
    if look == "strong":
        return amplify(delta[None], budget, STRONG)[0]
    following: Tensor = delta * amplitude(canvas[None])
    return following[0] if look == "natural" else amplify(following, budget, BALANCED)[0]
