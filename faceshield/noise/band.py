"""Bands of frequencies: the one that a person's noise lies in, and a transform that removes one by chance (FUSE, 2026).

A network that is trained on small crops learns broad patterns before fine ones, and JPEG, resizing and a crop that is
never the same twice take the fine ones away. The broadest are a face's own light and shadow: noise there is
learned late and seen as a patch. Between the two lies the band of :func:`keep_pattern`.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from faceshield.core.budget import Budget

LOWEST = 2.0  # cycles per picture: below, there is little but its light
SHORTEST, LONGEST = 13.0, 40.0  # wavelengths of a person's noise, in canvas pixels


def keep_pattern(delta: Tensor, shortest: float = SHORTEST, longest: float = LONGEST) -> Tensor:
    """What a person's noise may be: (…, H, W) planes in one band, left and right alike. A projection, and linear.

    The band is of wavelengths, in pixels, from ``shortest`` to ``longest``.

    Most training mirrors half of all pictures: of a pattern that has no mirror image of its own, a network has one to
    learn instead of two.
    """
    kept = keep_band(delta, shortest, longest)
    return (kept + kept.flip(-1)) / 2


def keep_band(delta: Tensor, shortest: float = SHORTEST, longest: float = LONGEST) -> Tensor:
    """(…, H, W) planes less all wavelengths, in pixels, outside ``shortest`` to ``longest``; their mean becomes 0.

    A projection (twice is once), and linear. Values may leave the bound that they kept before.
    """
    radius = _build_radius(delta)
    kept = (radius <= 1 / shortest) & (radius >= 1 / longest)
    left: Tensor = torch.fft.irfft2(torch.fft.rfft2(delta) * kept, s=delta.shape[-2:])
    return left


def amplify(delta: Tensor, budget: Budget, gain: float) -> Tensor:
    """δ (N, …) brought up to its bound: ``gain`` times δ, projected."""
    return budget.project(gain * delta)


def remove_band(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``images`` (N, 3, H, W) less all frequencies f with ``low`` ≤ f < ``high``, both (N,) in cycles per pixel.

    f is the radius in the plane of the discrete Fourier transform (at most 0.5 along an axis). Linear, and values may
    leave [0, 1].
    """
    radius = _build_radius(images)
    kept = (radius < low.view(-1, 1, 1)) | (radius >= high.view(-1, 1, 1))
    left: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * kept[:, None], s=images.shape[-2:])
    return left


def drop_band(images: Tensor, generator: Generator) -> Tensor:
    """``images`` (N, 3, H, W) RGB in [0, 1], square, each without an octave of its own; its mean colour stays.

    The octave begins at a frequency drawn evenly on the logarithmic scale from ``LOWEST`` to half the highest.
    """
    least, most = LOWEST / images.shape[-1], 0.25
    draw = torch.rand(len(images), generator=generator, device=generator.device).to(images.device)
    low = least * (most / least) ** draw
    return remove_band(images, low, 2 * low).clamp(0, 1)


def _build_radius(planes: Tensor) -> Tensor:
    """(H, W // 2 + 1) the frequency of each coefficient of torch's rfft2 of ``planes`` (…, H, W), cycles per pixel."""
    height, width = planes.shape[-2:]
    down = torch.fft.fftfreq(height, device=planes.device)
    radius: Tensor = (down[:, None] ** 2 + torch.fft.rfftfreq(width, device=planes.device) ** 2).sqrt()
    return radius
