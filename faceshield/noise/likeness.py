"""Structural similarity that has a gradient, for a bound on how visible δ is while it is made."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from faceshield.imaging.blend import LUMA

WINDOW, SIGMA = 11, 1.5


@lru_cache(maxsize=64)
def _build_blur(size: int) -> Tensor:
    """(size − 10, size): each row the Gaussian window at one place of an axis."""
    row = torch.exp(-((torch.arange(WINDOW) - 5.0) ** 2) / (2 * SIGMA**2))
    places = torch.arange(size - WINDOW + 1)[:, None]
    weights = torch.zeros(len(places), size)
    return weights.scatter_(1, places + torch.arange(WINDOW), (row / row.sum()).expand(len(places), -1))


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of the luma of two pictures (1, 3, h, w) in [0, 1], differentiable; a scalar.

    Gaussian window σ = 1.5 of 11 pixels, K = 0.01, 0.03, over the windows that fit: ``evaluation.visibility.ssim``,
    which is for finished files. Pictures smaller than a window are not measured: 1.
    """
    if min(a.shape[-2:]) < WINDOW:
        return torch.ones((), device=a.device)
    luma = torch.from_numpy(LUMA).to(a)
    x, y = (torch.tensordot(luma, picture[0], 1) for picture in (a, b))
    planes = torch.stack([x, y, x * x, y * y, x * y])
    # two products of matrices: a convolution of one channel takes five times as long on a CPU
    down, across = (_build_blur(side).to(a) for side in planes.shape[-2:])
    mean_x, mean_y, xx, yy, xy = down @ planes @ across.T
    both, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    score = (2 * both + 1e-4) * (2 * (xy - both) + 9e-4) / ((squares + 1e-4) * (xx + yy - squares + 9e-4))
    mean: Tensor = score.mean()
    return mean
