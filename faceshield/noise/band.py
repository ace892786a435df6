"""A transform that removes a random band of frequencies, so that noise does not rely on one (FUSE, 2026)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

LOWEST = 2.0  # cycles per picture: below, there is little but its light


def remove_band(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``images`` (N, 3, H, W) less all frequencies f with ``low`` ≤ f < ``high``, both (N,) in cycles per pixel.

    f is the radius in the plane of the discrete Fourier transform (at most 0.5 along an axis). Linear, and values may
    leave [0, 1].
    """
    height, width = images.shape[-2:]
    down, across = (
        torch.fft.fftfreq(height, device=images.device),
        torch.fft.rfftfreq(width, device=images.device),
    )
    radius = (down[:, None] ** 2 + across**2).sqrt()
    kept = (radius < low.view(-1, 1, 1)) | (radius >= high.view(-1, 1, 1))
    left: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * kept[:, None], s=(height, width))
    return left


def drop_band(images: Tensor, generator: Generator) -> Tensor:
    """``images`` (N, 3, H, W) RGB in [0, 1], square, each without an octave of its own; its mean colour stays.

    The octave begins at a frequency drawn evenly on the logarithmic scale from ``LOWEST`` to half the highest.
    """
    least, most = LOWEST / images.shape[-1], 0.25
    draw = torch.rand(len(images), generator=generator, device=generator.device).to(images.device)
    low = least * (most / least) ** draw
    return remove_band(images, low, 2 * low).clamp(0, 1)
