"""Every picture loses its colour: noise that lives in colour is gone (it undoes most error-minimizing noise)."""

from __future__ import annotations

import torch
from torch import Tensor

from faceshield.attacks.base import in_parts
from faceshield.imaging.blend import LUMA


def grey(pictures: Tensor) -> Tensor:
    """pictures (N, 3, H, W) uint8: three planes of BT.601 luma."""
    weights = torch.from_numpy(LUMA).to(pictures.device)
    return in_parts(lambda part: torch.einsum("c,nchw->nhw", weights, part)[:, None].expand_as(part), pictures)
