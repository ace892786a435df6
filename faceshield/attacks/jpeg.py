"""Every picture is saved once more as JPEG of a low quality (4:2:0 chroma): the oldest way to wash a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from faceshield.attacks.base import in_parts
from faceshield.noise import jpeg as codec


def recompress(pictures: Tensor, *, quality: int) -> Tensor:
    """pictures (N, 3, H, W) uint8 through a JPEG codec of ``quality`` 1–100, up to its integer arithmetic."""
    return in_parts(lambda part: codec.jpeg(part, torch.full((len(part),), float(quality))), pictures)
