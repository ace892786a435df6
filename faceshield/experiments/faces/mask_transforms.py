"""Transforms of crops that raise the transfer of perturbations on ImageNet, tried on masks; none of them is shipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.imaging.crop import CropSpec
from faceshield.noise.face_view import FaceView
from faceshield.noise.photo_transforms import PhotoTransforms


class OnCrops(PhotoTransforms):
    """The shipped transforms, and then ``change`` on each crop."""

    def __init__(self, change: Callable[[Tensor, Generator], Tensor]) -> None:
        super().__init__()
        object.__setattr__(self, "change", change)

    def __call__(
        self, face_view: FaceView, photo: Tensor, specs: Sequence[CropSpec], generator: Generator
    ) -> list[Tensor]:
        """See :class:`faceshield.noise.photo_transforms.PhotoTransforms`."""
        change: Callable[[Tensor, Generator], Tensor] = vars(self)["change"]
        return [change(crop, generator) for crop in super().__call__(face_view, photo, specs, generator)]


def warp_locally(crops: Tensor, generator: Generator, strength: float = 0.08) -> Tensor:
    """Crops (N, 3, S, S) bent by a smooth random field of 4×4 shifts (after DeCowA, Lin et al. 2024)."""
    count, size = len(crops), crops.shape[-1]
    shifts = (2 * torch.rand(count, 2, 4, 4, generator=generator) - 1) * strength
    field = F.interpolate(shifts, (size, size), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    straight = F.affine_grid(torch.eye(2, 3).expand(count, -1, -1), [count, 3, size, size], align_corners=False)
    return F.grid_sample(crops, (straight + field).to(crops), padding_mode="border", align_corners=False)


def drop_patch(crops: Tensor, generator: Generator) -> Tensor:
    """Crops (N, 3, S, S) with one random rectangle of a fifth to two fifths of the side in the mean colour (LGC)."""
    size = crops.shape[-1]
    height, width = (int(size * (0.2 + 0.2 * draw)) for draw in torch.rand(2, generator=generator).tolist())
    y, x = (
        int((size - side) * draw)
        for side, draw in zip((height, width), torch.rand(2, generator=generator).tolist(), strict=True)
    )
    keep = torch.ones(1, 1, size, size, device=crops.device)
    keep[..., y : y + height, x : x + width] = 0
    return crops * keep + crops.detach().mean((2, 3), keepdim=True) * (1 - keep)


def scale_spectrum(crops: Tensor, generator: Generator, strength: float = 0.5) -> Tensor:
    """Crops (N, 3, S, S) with each frequency scaled at random (SSM, Long et al. 2022, with Fourier's basis)."""
    spectrum = torch.fft.rfft2(crops)
    gain = 1 + strength * (2 * torch.rand(spectrum.shape[-2:], generator=generator) - 1)
    scaled: Tensor = torch.fft.irfft2(spectrum * gain.to(crops), s=crops.shape[-2:]).clamp(0, 1)
    return scaled
