"""Fast AutoAugment with a fixed policy (Table 3; Lim et al. 2019): each picture of a batch has its own operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.data.augment import draw_window, rotate_by, to_device

_GREY = (0.2989, 0.587, 0.114)  # luma of R, G, B


def fast_autoaugment(images: Tensor, generator: Generator, *, operations: int = 2) -> Tensor:
    """Change each picture by ``operations`` different ones of contrast, brightness, sharpness, rotation and cutout.

    images (N, 3, H, W), uint8 or float in [0, 1]; the result has the same shape, range and dtype. The paper names these
    five and no strengths: a sub-policy of two operations and their ranges are Lim et al.'s (factors 0.1 to 1.9, ±30°,
    a square of up to a fifth of the width), each drawn evenly. Their searched list of sub-policies is not repeated.
    """
    n, _, _, width = images.shape
    strength = torch.rand(5, n, generator=generator)
    chosen = (torch.rand(n, 5, generator=generator).argsort(dim=1) < operations).T
    factors = to_device(torch.where(chosen[:3], 0.1 + 1.8 * strength[:3], 1.0), images.device)
    angle = to_device(torch.where(chosen[3], 60 * strength[3] - 30, 0.0), images.device)
    side = to_device(torch.where(chosen[4], strength[4] * width / 5, 0.0), images.device)
    white = 1.0 if images.is_floating_point() else 255.0
    out = contrast(images / white, factors[0])
    out = sharpness(brightness(out, factors[1]), factors[2])
    out = rotate_by(out, angle).masked_fill(draw_window(images, side, side, generator), 0)
    return out if images.is_floating_point() else (out * white).round().to(images.dtype)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from (or, below 1, towards) the picture's mean grey. images (N, 3, H, W) float in [0, 1], factor (N,)."""
    weights = torch.tensor(_GREY, dtype=images.dtype, device=images.device)
    mean = (images.mean(dim=(2, 3)) @ weights).view(-1, 1, 1, 1)
    return _blend(images, mean, factor)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from or towards black. images (N, 3, H, W) float in [0, 1], factor (N,)."""
    return _blend(images, torch.zeros_like(images), factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from or towards a smoothed picture, the outermost pixels excepted. images float in [0, 1], factor (N,)."""
    height, width = images.shape[2:]
    if min(height, width) < 3:
        return images
    kernel = torch.ones(1, 1, 3, 3, dtype=images.dtype, device=images.device)
    kernel[0, 0, 1, 1] = 5
    smooth = images.clone()
    inner = F.conv2d(images.reshape(-1, 1, height, width), kernel / kernel.sum())
    smooth[:, :, 1:-1, 1:-1] = inner.view(*images.shape[:2], height - 2, width - 2)
    return _blend(images, smooth, factor)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """``other`` at factor 0, ``images`` at exactly 1, beyond them above."""
    each = factor.to(images.dtype).view(-1, 1, 1, 1)
    return (images * each + other * (1 - each)).clamp(0, 1)
