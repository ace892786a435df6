"""JPEG as a differentiable view: the real quantisation going forward, the identity through its rounding going back."""

from __future__ import annotations

import math

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
YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _dct(device: torch.device) -> Tensor:
    k, n = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def _round(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _code(plane: Tensor, table: Tensor, scale: Tensor, dct: Tensor) -> Tensor:
    """(N, C, H, W) planes, H and W multiples of 8, through DCT → quantise → DCT⁻¹; ``scale`` (N,) is libjpeg's."""
    n, c, h, w = plane.shape
    step = ((table * scale.view(-1, 1, 1) + 50) / 100).floor().clamp(1, 255)[:, None, None, None]
    blocks = plane.reshape(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    blocks = dct.T @ (_round(dct @ blocks @ dct.T / step) * step) @ dct
    return blocks.transpose(3, 4).reshape(n, c, h, w)


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Encode and decode with 4:2:0 chroma. images (N, 3, H, W) RGB in [0, 1]; quality (N,) 1–100, as libjpeg counts.

    Forward it matches a JPEG codec up to its integer arithmetic; backward the rounding passes gradients unchanged.
    """
    height, width = images.shape[-2:]
    matrix = torch.tensor(YCBCR, device=images.device)
    x = F.pad(images.float() * 255, (0, -width % 16, 0, -height % 16), mode="replicate")
    planes = torch.einsum("ij,njhw->nihw", matrix, x)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()
    dct = _dct(images.device)
    luma = _code(planes[:, :1] - 128, torch.tensor(LUMINANCE, device=x.device), scale, dct) + 128
    chroma = _code(F.avg_pool2d(planes[:, 1:], 2), torch.tensor(CHROMINANCE, device=x.device), scale, dct)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    decoded = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), torch.cat([luma, chroma], 1))
    return (decoded / 255).clamp(0, 1)[..., :height, :width]
