"""Training augmentation for a whole batch at once: crop and mirror, rotation, Cutout, and one after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Augment = Callable[[Tensor, Generator], Tensor]
"""``augment(images, generator)``: pictures (N, 3, H, W), uint8 or float in [0, 1], of the same shape and dtype."""


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """What was ``drawn`` on the CPU, on ``device``, without waiting for the work that is still queued there."""
    return drawn.to(device, non_blocking=True)


def crop_and_flip(images: Tensor, generator: Generator, *, pad: int = 4, flip: float = 0.5) -> Tensor:
    """Shift each picture by up to ±``pad`` pixels (edges repeated) and mirror it with probability ``flip``.

    images (N, 3, H, W), any dtype; the result has the same shape and dtype.
    """
    n, _, height, width = images.shape
    device = images.device
    padded = F.pad(images.float(), (pad,) * 4, mode="replicate").to(images.dtype) if pad else images
    dy, dx = to_device(torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator), device)
    mirror = to_device(torch.rand(n, 1, generator=generator) < flip, device)
    columns = torch.arange(width, device=device).expand(n, width)
    columns = torch.where(mirror, width - 1 - columns, columns) + dx
    rows = torch.arange(height, device=device) + dy
    each = torch.arange(n, device=device)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def rotate(images: Tensor, generator: Generator, *, degrees: float = 20.0) -> Tensor:
    """Turn each picture about its middle by an angle drawn evenly from ±``degrees``; corners become black."""
    angle = (torch.rand(len(images), generator=generator) * 2 - 1) * degrees
    return rotate_by(images, to_device(angle, images.device))


def cutout(images: Tensor, generator: Generator, *, size: int = 16) -> Tensor:
    """Cutout (Table 3: 16 pixels): black out a square of ``size`` pixels around a point drawn evenly in each picture.

    images (N, 3, H, W), uint8 or float; where the square crosses the edge, less of it is seen.
    """
    sizes = torch.full((len(images),), float(size), device=images.device)
    return images.masked_fill(draw_window(images, sizes, sizes, generator), 0)


def compose(*parts: Augment) -> Augment:
    """One augmentation that applies ``parts`` in turn, each drawing from the same generator."""

    def augment(images: Tensor, generator: Generator) -> Tensor:
        for part in parts:
            images = part(images, generator)
        return images

    return augment


def rotate_by(images: Tensor, angle: Tensor) -> Tensor:
    """Each picture turned by its own angle, degrees anticlockwise as seen; nearest pixel, black from outside.

    images (N, 3, H, W), uint8 or float; angle (N,) on their device. 0 leaves a picture as it is.
    """
    height, width = images.shape[2:]
    sine, cosine = angle.deg2rad().sin(), angle.deg2rad().cos()
    zero = torch.zeros_like(sine)
    # where in the source, in [−1, 1] across each side, a pixel of the result comes from
    across = torch.stack([cosine, -sine * height / width, zero], dim=1)
    down = torch.stack([sine * width / height, cosine, zero], dim=1)
    grid = F.affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    out = F.grid_sample(images.to(grid.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return out.to(images.dtype)


def draw_window(images: Tensor, heights: Tensor, widths: Tensor, generator: Generator) -> Tensor:
    """(N, 1, H, W) bool, True in a box of each picture's own height and width around a pixel drawn evenly.

    heights and widths (N,) float in pixels, on the device of ``images``, are rounded to whole ones, and 0 gives no box;
    it is cut at the edges.
    """
    n, _, height, width = images.shape
    device = images.device
    centre = to_device(torch.rand(2, n, 1, generator=generator), device)
    rows = torch.arange(height, device=device) - (centre[0] * height).floor()
    columns = torch.arange(width, device=device) - (centre[1] * width).floor()
    half_heights, half_widths = heights.round()[:, None] / 2, widths.round()[:, None] / 2
    inside_rows = (rows >= -half_heights) & (rows < half_heights)
    inside_columns = (columns >= -half_widths) & (columns < half_widths)
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]
