"""Structural similarity that has a gradient, for a bound on how visible δ is while it is made."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from faceshield.imaging.blend import LUMA


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of the luma of two pictures (1, 3, h, w) in [0, 1], differentiable; a scalar.

    Gaussian window σ = 1.5 of 11 pixels, K = 0.01, 0.03, over the windows that fit: ``evaluation.visibility.ssim``,
    which is for finished files. Pictures smaller than a window are not measured: 1.
    """
    if min(a.shape[-2:]) < 11:
        return torch.ones((), device=a.device)
    place = torch.arange(11, device=a.device) - 5.0
    row = torch.exp(-(place**2) / (2 * 1.5**2))
    row = row / row.sum()
    luma = torch.from_numpy(LUMA).to(a)
    x, y = (torch.tensordot(luma, picture, ([0], [1])) for picture in (a, b))
    planes = torch.stack([x, y, x * x, y * y, x * y], 1).flatten(0, 1)[:, None]
    mean_x, mean_y, xx, yy, xy = F.conv2d(F.conv2d(planes, row.view(1, 1, 1, 11)), row.view(1, 1, 11, 1))
    both, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    score = (2 * both + 1e-4) * (2 * (xy - both) + 9e-4) / ((squares + 1e-4) * (xx + yy - squares + 9e-4))
    mean: Tensor = score.mean()
    return mean
