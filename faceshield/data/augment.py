"""The standard training augmentation, for a whole batch at once: random crop after padding, and mirroring."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def crop_and_flip(images: Tensor, generator: Generator, *, pad: int = 4, flip: float = 0.5) -> Tensor:
    """Shift each picture by up to ±``pad`` pixels (edges repeated) and mirror it with probability ``flip``.

    images (N, 3, H, W), any dtype; the result has the same shape and dtype.
    """
    n, _, height, width = images.shape
    device = images.device
    padded = F.pad(images.float(), (pad,) * 4, mode="replicate").to(images.dtype) if pad else images
    dy, dx = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator).to(device)
    mirror = (torch.rand(n, 1, generator=generator) < flip).to(device)
    columns = torch.arange(width, device=device).expand(n, width)
    columns = torch.where(mirror, width - 1 - columns, columns) + dx
    rows = torch.arange(height, device=device) + dy
    each = torch.arange(n, device=device)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
