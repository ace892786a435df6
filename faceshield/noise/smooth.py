"""Gaussian smoothing of square planes, as two matrix products."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=8)
def _build_blur(size: int, sigma: float) -> Tensor:
    """(size, size) Gaussian smoothing along one axis; rows sum to 1, also at the border."""
    place = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def smooth(planes: Tensor, sigma: float) -> Tensor:
    """(…, S, S) planes smoothed by a Gaussian of ``sigma`` pixels. Linear; a constant stays, nothing overshoots."""
    blur = _build_blur(planes.shape[-1], sigma).to(planes)
    return blur @ planes @ blur.T
