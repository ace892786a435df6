"""Differentiable JPEG: real quantisation in the forward pass, and rounding as the identity in the backward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Tables K.1 and K.2 of the JPEG standard (ITU-T T.81), quality 50.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
BLOCK = 16  # pixels: where chroma has half the resolution, its 8 × 8 blocks begin at every sixteenth
YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _build_dct(device: torch.device) -> Tensor:
    k, n = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def _round(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _code(plane: Tensor, steps: Tensor, dct: Tensor) -> Tensor:
    """(N, C, H, W) planes, H and W multiples of 8, through DCT → quantise by ``steps`` (N or 1, 8, 8) → DCT⁻¹."""
    n, c, h, w = plane.shape
    step = steps[:, None, None, None]
    blocks = plane.reshape(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    blocks = dct.T @ (_round(dct @ blocks @ dct.T / step) * step) @ dct
    return blocks.transpose(3, 4).reshape(n, c, h, w)


def build_tables(quality: Tensor) -> Tensor:
    """(N, 2, 8, 8): the quantisation steps of luminance and chrominance at ``quality`` (N,) 1–100, libjpeg's."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor().view(-1, 1, 1, 1)
    return ((torch.tensor([LUMINANCE, CHROMINANCE], device=quality.device) * scale + 50) / 100).floor().clamp(1, 255)


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Encode and decode with 4:2:0 chroma. images (N, 3, H, W) RGB in [0, 1]; quality (N,) 1–100, as libjpeg counts.

    Forward it matches a JPEG codec up to its integer arithmetic; backward the rounding passes gradients unchanged.
    """
    return recode(images, build_tables(quality), (2, 2))


def recode(images: Tensor, steps: Tensor, chroma: tuple[int, int]) -> Tensor:
    """:func:`jpeg` by quantisation ``steps`` (N or 1, 2, 8, 8), one chroma sample for ``chroma`` rows × columns."""
    height, width = images.shape[-2:]
    matrix = torch.tensor(YCBCR, device=images.device)
    x = F.pad(images.float() * 255, (0, -width % 16, 0, -height % 16), mode="replicate")
    planes = torch.einsum("ij,njhw->nihw", matrix, x)
    steps, dct = steps.to(x), _build_dct(images.device)
    luma = _code(planes[:, :1] - 128, steps[:, 0], dct) + 128
    colour = _code(F.avg_pool2d(planes[:, 1:], chroma), steps[:, 1], dct)
    colour = F.interpolate(colour, luma.shape[-2:], mode="bilinear", align_corners=False)
    decoded = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), torch.cat([luma, colour], 1))
    return (decoded / 255).clamp(0, 1)[..., :height, :width]


@dataclass(frozen=True)
class Codec:
    """The JPEG codec that a photo is to be written by: ``steps`` (1, 2, 8, 8) and ``chroma`` as in :func:`recode`."""

    steps: Tensor
    chroma: tuple[int, int]

    def __call__(self, photo: Tensor) -> Tensor:
        """``photo`` (1, 3, H, W) in [0, 1] as it comes back from the file, where the codec's blocks begin at (0, 0)."""
        return recode(photo, self.steps, self.chroma)
