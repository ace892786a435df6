"""Aligned faces as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.core.store import write_bytes

GAP = 10  # px between two faces


def join_crops(crops: Sequence[Tensor], path: Path) -> None:
    """Write ``crops``, each (3, S, S) float32 RGB in [0, 1], left to right on white as PNG.

    Raises StoreError where ``path`` cannot be written.
    """
    write_bytes(path, render_row(crops))


def render_row(crops: Sequence[Tensor]) -> bytes:
    """``crops`` as :func:`join_crops` writes them."""
    gap = torch.ones(3, crops[0].shape[1], GAP)
    row = torch.cat([part for crop in crops for part in (crop, gap)][:-1], dim=2)
    pixels = row.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    done, data = cv2.imencode(".png", pixels[..., ::-1])
    if not done:
        raise StoreError("the faces could not be encoded as PNG")
    return bytes(data.tobytes())
