"""Noises made equally visible: a δ that shows more than another is made smaller, and what shows is measured."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.tint import ON_CANVAS, measure_patches
from faceshield.evaluation.visibility import delta_e, linf_255, ssim

LOOKED_AT = 65536  # pixels of all photos together of which the mean CIEDE2000 is taken
HALVINGS = 10


def shrink(noise: Noise, data: Examples, most: float | None = None) -> Noise:
    """``noise`` whose δ is multiplied by the largest share at which ``data`` shows no more than ``most``.

    ``most`` is a mean CIEDE2000 (None: δ stays); the share is 1 where δ shows less anyway: it is never made larger. δ
    comes back in whole levels of 255, as it is added. ``provenance`` gets :func:`measure` and the ``scale``.
    """
    seen = replace(data, images=_thin(data.images, len(data)))
    thin = replace(noise, delta=_thin(noise.delta, len(data)))

    def look(scale: float) -> float:
        noisy = unlearnable(seen, _multiply(thin, scale))
        return delta_e(_pixels(seen.images), _pixels(noisy.images), everywhere=True)[0]

    scale = 1.0
    if most is not None and look(1.0) > most:
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if look(middle) <= most else (low, middle)
        scale = low
    whole = _multiply(noise, scale)
    return replace(
        whole, provenance={**noise.provenance, "scale": round(scale, 4), **measure(data, unlearnable(data, whole))}
    )


def measure(clean: Examples, noisy: Examples) -> dict[str, Any]:
    """How visible a change is on aligned faces.

    delta_e_mean and delta_e_p95 are of all pixels on a grid over each photo, ssim_face is the mean over the photos,
    linf_255 the largest change of a byte.
    """
    a, b = clean.images.numpy(), noisy.images.numpy()
    mean, high = delta_e(*(_pixels(_thin(part.images, len(part))) for part in (clean, noisy)), everywhere=True)
    alike = [ssim(one.transpose(1, 2, 0), other.transpose(1, 2, 0)) for one, other in zip(a, b, strict=True)]
    return {
        "delta_e_mean": round(mean, 4),
        "delta_e_p95": round(high, 4),
        "ssim_face": round(float(np.mean(alike)), 4),
        "linf_255": linf_255(a.reshape(len(a), -1), b.reshape(len(b), -1)),
    }


def measure_tint(clean: Examples, noisy: Examples) -> float:
    """What of a change of aligned faces shows as patches: :func:`faceshield.evaluation.tint.measure_patches`' mean."""
    pairs = zip(*(part.images.permute(0, 2, 3, 1).numpy() for part in (clean, noisy)), strict=True)
    return round(fmean(measure_patches(before, after, ON_CANVAS)[0] for before, after in pairs), 4)


def _thin(pictures: Tensor, count: int) -> Tensor:
    """Every n-th row and column of pictures (N, 3, S, S): about :data:`LOOKED_AT` pixels of ``count`` such pictures."""
    step = max(1, isqrt(count * pictures.shape[-1] ** 2 // LOOKED_AT))
    return pictures[..., step // 2 :: step, step // 2 :: step].contiguous()


def _multiply(noise: Noise, scale: float) -> Noise:
    return replace(noise, delta=(noise.delta * scale * 255).round() / 255)


def _pixels(pictures: Tensor) -> NDArray[Any]:
    """(1, N · h · w, 3) of (N, 3, h, w)."""
    return pictures.permute(0, 2, 3, 1).reshape(1, -1, 3).numpy()
