"""The collector's pictures of faces: the middle of a noise canvas, at whatever size a network trains on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_canvas(images: Tensor, size: int, margin: int = 8) -> Tensor:
    """The middle of canvas pictures uint8 (n, 3, S, S), ``margin`` pixels cut off all round, resized to ``size``²."""
    parts = [crop_canvas_float(chunk.float(), size, margin) for chunk in images.split(512)]
    return torch.cat(parts).round().clamp(0, 255).to(torch.uint8)


def crop_canvas_float(images: Tensor, size: int, margin: int = 8) -> Tensor:
    """:func:`crop_canvas` for float pictures of any range, unrounded."""
    side = images.shape[-1] - margin
    return F.interpolate(images[..., margin:side, margin:side], (size, size), mode="bilinear", antialias=True)
