"""Crops to features: a network's raw outputs for each crop and its mirror image, and how the two become one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from faceshield.noise.base import Forward


@torch.no_grad()
def embed_pairs(crops: Tensor, forward: Forward, batch: int = 64) -> Tensor:
    """(N, 2, D) float32 on the CPU: ``forward``'s raw output for each of ``crops`` and for its mirror image.

    crops (N, 3, S, S) as ``forward`` expects them, where it expects them; uint8 crops are read as value / 255. A last
    batch smaller than ``batch`` is no special case. N must be at least 1, because D is the network's own.
    """
    parts = []
    for part in crops.split(batch):
        images = part if part.is_floating_point() else part.float() / 255
        both = forward(torch.cat([images, images.flip(-1)])).float().cpu()
        parts.append(both.view(2, len(part), -1).transpose(0, 1))
    return torch.cat(parts)


def combine(raw: Tensor, *, flip: bool = True, unit: bool = True) -> Tensor:
    """(N, D) features of ``raw`` (N, 2, D) outputs: with ``flip`` the mean of both, else the first alone.

    ``unit`` divides by the length *after* the mean, so that every squared distance stays within [0, 4] (two unit
    vectors laid end to end would reach 8). Networks trained on raw distances, such as ResNet-29, want ``unit`` off.
    """
    features = raw.mean(1) if flip else raw[:, 0]
    return functional.normalize(features, dim=1) if unit else features
