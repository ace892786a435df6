"""Every picture is kept at half its size, or blurred: what is finer than the face is lost."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms.v2 import functional

from faceshield.attacks.base import in_parts
from faceshield.noise.transforms import resize


def half_size(pictures: Tensor) -> Tensor:
    """pictures (N, 3, S, S) uint8 at half the side and back, antialiased."""
    side = pictures.shape[-1]
    return in_parts(lambda part: resize(resize(part, side // 2), side), pictures)


def blur(pictures: Tensor, *, sigma: float = 1.5) -> Tensor:
    """pictures (N, 3, S, S) uint8 under a Gaussian of ``sigma`` pixels."""
    width = 2 * round(3 * sigma) + 1
    return in_parts(lambda part: functional.gaussian_blur(part, [width, width], [sigma, sigma]), pictures)
