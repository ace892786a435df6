"""How visible a change is: L∞, PSNR, SSIM and CIEDE2000, each on the pixels given (usually the face's region)."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceshield.imaging.blend import LUMA


def linf_255(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest difference of any value, in levels of 255. Both (H, W, 3) of one dtype, uint8 or uint16."""
    return cv2.norm(a, b, cv2.NORM_INF) * 255 / int(np.iinfo(a.dtype).max) if a.size else 0.0


def delta_e(a: NDArray[Any], b: NDArray[Any], *, everywhere: bool = False) -> tuple[float, float]:
    """CIEDE2000 of the pixels that differ, mean and 95th percentile; (0, 0) where none does.

    With ``everywhere`` of all pixels: noise that leaves some as they are counts for less.

    About 1 is the least that a trained eye sees side by side, and anyone sees 3. Of a large picture every n-th row and
    column is measured: some 65,000 pixels tell a mean.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab  # half a second that only this pays

    step = max(1, math.isqrt(a.shape[0] * a.shape[1] // 65536))
    a, b = a[::step, ::step], b[::step, ::step]
    changed = (a != b).any(-1) | everywhere
    if not changed.any():
        return 0.0, 0.0
    found = deltaE_ciede2000(rgb2lab(a[changed][None]), rgb2lab(b[changed][None]))
    return float(found.mean()), float(np.percentile(found, 95))


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    peak = float(np.iinfo(a.dtype).max)
    error = cv2.norm(a, b, cv2.NORM_L2SQR) / a.size if a.size else 0.0
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


def ssim(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Mean structural similarity (Wang et al., 2004) of the luma planes: Gaussian window σ = 1.5, K = 0.01, 0.03.

    The same as scikit-image's ``structural_similarity(gaussian_weights=True, use_sample_covariance=False)`` on
    luma. Pictures smaller than the 11-pixel window give 1.0 only when equal, else the value over what is there.
    """
    if not a.size:
        return 1.0
    peak = float(np.iinfo(a.dtype).max)
    x, y = (picture.astype(np.float32) @ LUMA for picture in (a, b))
    mean_x, mean_y = _blur(x), _blur(y)
    both, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    covariance, variances = _blur(x * y) - both, _blur(x * x + y * y) - squares
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    score = (2 * both + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    edge = 5 if min(score.shape) > 10 else 0
    return float(score[edge or None : -edge or None, edge or None : -edge or None].mean())


def _blur(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float32)
