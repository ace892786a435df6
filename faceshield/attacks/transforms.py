"""What a collector may do to every picture before training, in the hope that the noise does not survive it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from faceshield.attacks.base import map_in_parts
from faceshield.data.augment import compose, crop_and_flip, cutout, rotate
from faceshield.data.policy import fast_autoaugment
from faceshield.imaging.blend import LUMA
from faceshield.noise import jpeg as codec
from faceshield.noise.transforms import resize

STRONG = compose(partial(crop_and_flip, pad=6), partial(rotate, degrees=15), fast_autoaugment, partial(cutout, size=20))
"""Strong augmentation while training: shift, mirror, turn, two operations of Fast AutoAugment (Table 3), Cutout."""


def grey(pictures: Tensor) -> Tensor:
    """pictures (N, 3, H, W) uint8 RGB without colour: three planes of BT.601 luma.

    Most error-minimizing noise lives in colour and is gone.
    """
    weights = torch.from_numpy(LUMA).to(pictures.device)
    return map_in_parts(lambda part: torch.einsum("c,nchw->nhw", weights, part)[:, None].expand_as(part), pictures)


def recompress(pictures: Tensor, *, quality: int) -> Tensor:
    """pictures (N, 3, H, W) uint8 RGB saved as JPEG of ``quality`` 1–100, 4:2:0; exact up to integer arithmetic."""
    return map_in_parts(lambda part: codec.jpeg(part, torch.full((len(part),), float(quality))), pictures)


def halve(pictures: Tensor) -> Tensor:
    """pictures (N, 3, S, S) uint8 RGB at half the side and back, antialiased: finer detail is lost."""
    side = pictures.shape[-1]
    return map_in_parts(lambda part: resize(resize(part, side // 2), side), pictures)


def blur(pictures: Tensor, *, sigma: float = 1.5) -> Tensor:
    """pictures (N, 3, S, S) uint8 RGB under a Gaussian of ``sigma`` pixels."""
    width = 2 * round(3 * sigma) + 1
    return map_in_parts(lambda part: functional.gaussian_blur(part, [width, width], [sigma, sigma]), pictures)


def recrop(pictures: Tensor, *, side: float = 0.84, across: float = 0.03, down: float = -0.03) -> Tensor:
    """pictures (N, 3, S, S) uint8 RGB cut out tighter and off the middle, then enlarged to S again.

    ``side`` is the square's share of S; ``across`` and ``down`` move its centre, as shares of S.
    """
    size = pictures.shape[-1]
    inner = round(side * size)
    x, y = (round((size - inner) / 2 + offset * size) for offset in (across, down))
    return map_in_parts(lambda part: resize(part[..., y : y + inner, x : x + inner], size), pictures)
