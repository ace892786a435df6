"""How visible a change is, against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from faceshield.evaluation.visibility import delta_e, linf_255, psnr, ssim
from faceshield.imaging.blend import LUMA


def pair(height, width, dtype, change, seed=0):
    rng = np.random.default_rng(seed)
    white = int(np.iinfo(dtype).max)
    y, x = np.mgrid[0:height, 0:width] / 16
    base = (
        np.stack([np.sin(x + 1), np.cos(y * x / 3), np.sin(y - x)], 2) * 0.3
        + 0.5
        + rng.normal(0, 0.05, (height, width, 3))
    )
    a = np.clip(base, 0, 1) * white
    b = a + rng.uniform(-change, change, a.shape) * white / 255
    return np.rint(a).astype(dtype), np.clip(np.rint(b), 0, white).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(64, 80), (11, 30), (200, 33)])
@pytest.mark.parametrize("change", [1, 8, 60])
def test_agrees_with_scikit_image(dtype, size, change):
    a, b = pair(*size, dtype, change)
    peak = int(np.iinfo(dtype).max)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=peak), abs=1e-3)
    theirs = structural_similarity(
        a @ LUMA, b @ LUMA, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-4)
    worst = np.abs(a.astype(float) - b).max() * 255 / peak
    assert linf_255(a, b) == pytest.approx(worst)


@given(st.integers(0, 255), st.integers(0, 255))
def test_linf_counts_up_and_down_alike(a, b):
    x, y = (np.full((1, 1, 3), value, np.uint8) for value in (a, b))
    assert linf_255(x, y) == linf_255(y, x) == abs(a - b)


def test_sixteen_bits_are_counted_in_levels_of_255():
    x = np.zeros((2, 2, 3), np.uint16)
    assert linf_255(x, x + 257 * 8) == 8


def test_equal_pictures():
    a, _ = pair(20, 30, np.uint8, 0)
    assert linf_255(a, a) == 0
    assert math.isinf(psnr(a, a))
    assert ssim(a, a) == pytest.approx(1)


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (2, 9), (10, 10), (1, 40)])
def test_small_and_empty_pictures(size):
    a, b = pair(*size, np.uint8, 8) if 0 not in size else (np.zeros((0, 0, 3), np.uint8),) * 2
    assert ssim(a, a) == pytest.approx(1)
    assert -1 <= ssim(a, b) <= 1
    assert linf_255(a, a) == 0


def test_more_noise_is_more_visible():
    scores = [ssim(*pair(64, 64, np.uint8, change)) for change in (2, 8, 32)]
    assert scores[0] > scores[1] > scores[2]


def test_the_colour_difference_is_scikit_images_of_what_changed():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (40, 50, 3), np.uint8)
    b = a.copy()
    b[10:20, 10:30] = (b[10:20, 10:30].astype(int) + rng.integers(-8, 9, (10, 20, 3))).clip(0, 255)
    whole = deltaE_ciede2000(rgb2lab(a), rgb2lab(b))
    changed = whole[(a != b).any(-1)]
    assert delta_e(a, b) == pytest.approx((changed.mean(), np.percentile(changed, 95)), rel=1e-6)
    assert delta_e(a, a) == (0.0, 0.0)


def test_a_large_pictures_colour_difference_is_told_from_a_part_of_its_pixels():
    rng = np.random.default_rng(1)
    a = rng.integers(8, 248, (900, 1100, 3), np.uint8)
    b = (a.astype(int) + rng.integers(-8, 9, a.shape)).astype(np.uint8)
    changed = deltaE_ciede2000(rgb2lab(a), rgb2lab(b))[(a != b).any(-1)]
    assert delta_e(a, b) == pytest.approx((changed.mean(), np.percentile(changed, 95)), rel=0.02)
