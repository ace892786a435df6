"""Smoothing: against scipy's Gaussian, linear, constants stay, nothing overshoots."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from faceshield.noise.smooth import smooth


def noise(seed, size=64, count=2):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_it_is_a_gaussian_away_from_the_border():
    delta = noise(0)
    expected = gaussian_filter(delta.numpy(), (0, 0, 1.5, 1.5), truncate=8)
    np.testing.assert_allclose(smooth(delta, 1.5)[..., 16:-16, 16:-16], expected[..., 16:-16, 16:-16], atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(-3, 3))
def test_it_is_linear(seed, a, b):
    x, y = noise(seed), noise(seed + 1)
    torch.testing.assert_close(smooth(a * x + b * y, 3.0), a * smooth(x, 3.0) + b * smooth(y, 3.0), rtol=0, atol=2e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.3, 8))
def test_nothing_overshoots_and_a_constant_stays(seed, sigma):
    delta = noise(seed)
    assert smooth(delta, sigma).abs().max() <= delta.abs().max() + 1e-6
    torch.testing.assert_close(smooth(torch.full((1, 3, 32, 32), 0.5), sigma), torch.full((1, 3, 32, 32), 0.5))
