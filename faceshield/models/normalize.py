"""Pixel space in, normalisation inside: noise, budgets and networks share the one range [0, 1]."""

from __future__ import annotations

from torch import Tensor


def normalize(images: Tensor) -> Tensor:
    """Pixels in [0, 1] of any shape to [−2, 2], about zero mean and unit spread; what every network sees first."""
    return (images - 0.5) * 4
