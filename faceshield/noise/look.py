"""How strong a person's noise is in one photo: the pattern is the person's, its local strength is the photo's."""

from __future__ import annotations

from torch import Tensor

from faceshield.core.budget import Budget, Look
from faceshield.noise.band import amplify
from faceshield.noise.just_noticeable import amplitude

STRONG = 1.6


def adjust(delta: Tensor, canvas: Tensor, look: Look, budget: Budget) -> Tensor:
    """δ (3, S, S) for the photo whose face ``canvas`` (3, S, S) RGB in [0, 1] shows, within ``budget``.

    "natural" follows the photo (:func:`~faceshield.noise.just_noticeable.amplitude`): less on smooth skin and walls;
    "balanced" is δ as it was made; "strong" is brought to its bound at most places, with steps that show.
    """
    if look == "natural":
        adjusted: Tensor = delta * amplitude(canvas[None])[0]
        return adjusted
    return amplify(delta[None], budget, STRONG)[0] if look == "strong" else delta
