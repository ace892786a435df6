"""δ is kept smooth and then brought up to its bound: a further constraint beside ‖δ‖∞ ≤ ε.

Smooth noise is what a network learns first, and what survives the way from a photo to a training batch (JPEG, resizing,
a crop that is never the same twice). Fine noise is lost on that way, and the face is learned after all.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from faceshield.core.budget import Budget

SIGMA = 3.0
GAIN = 8.0


@lru_cache(maxsize=8)
def _build_blur(size: int, sigma: float) -> Tensor:
    """(size, size) Gaussian smoothing along one axis; rows sum to 1, also at the border."""
    place = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def smooth(delta: Tensor, sigma: float = SIGMA) -> Tensor:
    """(…, S, S) planes smoothed by a Gaussian of ``sigma`` pixels. Linear; a constant stays, nothing overshoots.

    As a constraint in the step loop it is applied after each step: what the steps add again and again stays, what they
    do not fades.
    """
    blur = _build_blur(delta.shape[-1], sigma).to(delta)
    return blur @ delta @ blur.T


def amplify(delta: Tensor, budget: Budget, gain: float = GAIN) -> Tensor:
    """A smooth δ (N, …) brought up to its bound: ``gain`` times δ, projected. Smoothing leaves it well inside."""
    return budget.project(gain * delta)
