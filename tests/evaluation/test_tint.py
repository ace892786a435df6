"""Patches and edges of a change, against SciPy's Gaussian and scikit-image's Lab, and by what they must tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_ciede2000, rgb2lab

from faceshield.evaluation.tint import ON_CANVAS, SIGMA, measure_patches, shrink

FACE = 100.0  # smaller than on the canvas: nothing is averaged


def smooth_noise(shape, sigma, seed, levels=8):
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=shape), (sigma, sigma, 0), mode="reflect")
    return levels * noise / np.abs(noise).max()


def pair(height=90, width=120, sigma=3.0, seed=0):
    rng = np.random.default_rng(seed)
    a = gaussian_filter(rng.uniform(0, 255, (height, width, 3)), (6, 6, 0)) * 3 - 255
    a = np.clip(a + rng.normal(0, 4, a.shape), 8, 247)
    b = a + smooth_noise(a.shape, sigma, seed + 1)
    return np.rint(a).astype(np.uint8), np.rint(b).astype(np.uint8)


def measure_at_full_size(a, b, face):
    sigma = SIGMA * face
    x, y = rgb2lab(a), rgb2lab(b)

    def blur(planes):
        return gaussian_filter(planes, (sigma, sigma, 0), mode="reflect")

    def spread(planes):
        return np.sqrt(np.maximum(blur(planes**2) - blur(planes) ** 2, 0).sum(-1))

    changed = (a != b).any(-1)
    tint = deltaE_ciede2000(blur(x), blur(y))[changed].mean()
    return tint, np.percentile((spread(y - x) / (1 + spread(x)))[changed], 95)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
def test_a_face_up_to_the_canvas_is_measured_as_scipy_does(sigma):
    a, b = pair(sigma=sigma)
    assert measure_patches(a, b, FACE) == pytest.approx(measure_at_full_size(a, b, FACE), rel=5e-3)


def test_only_places_that_differ_count():
    a, b = pair()
    b[:, 40:] = a[:, 40:]
    assert measure_patches(a, b, FACE) == pytest.approx(measure_at_full_size(a, b, FACE), rel=5e-3)


def test_a_large_photo_is_measured_as_the_same_photo_at_the_canvas_scale():
    a, b = pair()
    large = [np.kron(picture, np.ones((4, 4, 1), np.uint8)) for picture in (a, b)]
    assert measure_patches(*large, 4 * ON_CANVAS) == pytest.approx(measure_patches(a, b, ON_CANVAS), rel=1e-5)


def test_averaging_large_photos_costs_little_of_the_tint():
    a, b = pair(400, 480, sigma=12.0)
    assert measure_patches(a, b, 420.0)[0] == pytest.approx(measure_at_full_size(a, b, 420.0)[0], rel=0.03)


def test_sixteen_bits_tell_the_same():
    a, b = pair()
    wide = [picture.astype(np.uint16) * 257 for picture in (a, b)]
    assert measure_patches(*wide, FACE) == pytest.approx(measure_patches(a, b, FACE), rel=1e-4)


def test_an_even_shift_is_all_tint_and_no_contrast():
    a = np.full((60, 70, 3), (150, 110, 90), np.uint8)
    b = a + np.array([0, 4, 0], np.uint8)
    tint, contrast = measure_patches(a, b, FACE)
    assert tint == pytest.approx(deltaE_ciede2000(rgb2lab(a[0, 0]), rgb2lab(b[0, 0])), rel=1e-4)
    assert contrast < 0.01


def test_fine_noise_has_less_tint_than_broad_noise_of_the_same_height():
    broad, fine = (measure_patches(*pair(sigma=sigma), FACE)[0] for sigma in (8.0, 0.7))
    assert fine < broad / 3


def test_the_same_edge_is_masked_by_texture():
    rng = np.random.default_rng(3)
    flat = np.full((80, 80, 3), 128, np.uint8)
    rough = np.clip(rng.normal(128, 30, (80, 80, 1)), 8, 247).astype(np.uint8).repeat(3, 2)
    step = np.zeros((80, 80, 1), np.uint8)
    step[:, 40:] = 8
    on_flat, on_rough = (measure_patches(a, a + step, FACE)[1] for a in (flat, rough))
    assert on_rough < on_flat / 5


def test_equal_and_tiny_pictures():
    a, _ = pair()
    empty = np.zeros((0, 0, 3), np.uint8)
    assert measure_patches(a, a, FACE) == measure_patches(empty, empty, FACE) == (0.0, 0.0)
    assert all(np.isfinite(measure_patches(a[:1, :1], a[:1, :1] + 1, 2000.0)))


def test_shrinking_averages_areas():
    a, _ = pair(80, 120)
    small, factor = shrink(a, 2 * ON_CANVAS)
    assert factor == 2
    np.testing.assert_allclose(small, a.reshape(40, 2, 60, 2, 3).mean((1, 3)) / 255, atol=1e-5)
    kept, one = shrink(a, 10.0)
    assert one == 1
    np.testing.assert_allclose(kept, a / 255, atol=1e-6)
