"""A band kept or missing: against numpy's Fourier transform and pure waves; amplifying keeps the bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.core.budget import Budget
from faceshield.noise.band import amplify, drop_band, keep_band, keep_pattern, remove_band


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.integers(0, 1000), st.sampled_from([8, 15, 16]), st.floats(0.02, 0.4), st.floats(0.0, 0.4))
def test_it_is_numpys_transform_without_the_ring(seed, size, low, width):
    images = torch.rand(2, 3, size, size, generator=seeded(seed))
    out = remove_band(images, torch.tensor([low, 0.1]), torch.tensor([low + width, 0.2]))
    frequency = np.fft.fftfreq(size).astype(np.float32)
    radius = np.hypot(frequency[:, None], frequency)
    for picture, theirs, (least, most) in zip(images, out, [(low, low + width), (0.1, 0.2)], strict=True):
        edge = np.float32([least, most])
        if np.abs(radius[..., None] - edge).min() < 1e-6:
            continue  # float32 may put a frequency that lies on the edge on either side
        spectrum = np.fft.fft2(picture.numpy())
        spectrum[:, (radius >= edge[0]) & (radius < edge[1])] = 0
        np.testing.assert_allclose(theirs.numpy(), np.fft.ifft2(spectrum).real, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("cycles", "left"), [(3, 1.0), (8, 0.0), (15, 0.0), (16, 1.0), (30, 1.0)])
def test_a_wave_inside_the_band_is_gone_and_one_outside_is_whole(cycles, left):
    wave = 0.3 * torch.sin(2 * math.pi * cycles * torch.arange(64.0) / 64).expand(1, 3, 64, 64)
    out = remove_band(0.5 + wave, torch.tensor([7.9 / 64]), torch.tensor([15.9 / 64]))
    torch.testing.assert_close(out, 0.5 + left * wave, rtol=0, atol=1e-5)


def test_each_example_loses_an_octave_of_its_own():
    point = torch.full((40, 3, 64, 64), 0.5)
    point[:, :, 32, 32] = 0.9  # all frequencies alike
    missing = torch.fft.rfft2(drop_band(point, seeded())).abs()[:, 0, 0] < 0.2  # along one axis, by whole cycles
    rings = [row.nonzero()[:, 0].tolist() for row in missing]
    assert len({tuple(ring) for ring in rings}) > 10
    for ring in rings:
        assert ring, "every octave from two cycles on holds a whole number"
        assert ring == list(range(ring[0], ring[-1] + 1))
        assert ring[0] >= 2
        assert ring[-1] < 2 * ring[0]
        assert ring[-1] + 1 >= 2 * (ring[0] - 1)


def test_range_mean_and_gradient():
    images = torch.rand(6, 3, 32, 32, generator=seeded(1), requires_grad=True)
    out = drop_band(images, seeded(2))
    assert out.min() >= 0
    assert out.max() <= 1
    out.square().sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
    dull = 0.4 + 0.2 * images.detach()
    torch.testing.assert_close(drop_band(dull, seeded(2)).mean((2, 3)), dull.mean((2, 3)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("wavelength", "left"), [(4, 0.0), (8, 0.0), (16, 1.0), (32, 1.0), (64, 0.0), (128, 0.0)])
def test_a_persons_band_holds_the_waves_between_its_bounds(wavelength, left):
    wave = torch.sin(2 * math.pi * torch.arange(128.0) / wavelength).expand(1, 3, 128, 128)
    torch.testing.assert_close(keep_band(wave + 0.4), left * wave, rtol=0, atol=1e-5)
    torch.testing.assert_close(keep_band(wave.mT + 0.4), left * wave.mT, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(-3, 3))
@pytest.mark.parametrize("keep", [keep_band, keep_pattern])
def test_what_is_kept_is_a_linear_projection(keep, seed, a, b):
    x, y = torch.rand(2, 3, 64, 64, generator=seeded(seed)), torch.rand(2, 3, 64, 64, generator=seeded(seed + 1))
    once = keep(a * x + b * y)
    torch.testing.assert_close(once, a * keep(x) + b * keep(y), rtol=0, atol=1e-5)
    torch.testing.assert_close(keep(once), once, rtol=0, atol=1e-5)


def test_a_persons_pattern_is_its_own_mirror_image():
    kept = keep_pattern(torch.randn(1, 3, 64, 64, generator=seeded(3)))
    assert kept.std() > 0.01
    torch.testing.assert_close(kept, kept.flip(-1), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(1 / 255, 16 / 255), st.floats(1, 10))
def test_amplifying_keeps_the_bound_and_every_sign(seed, epsilon, gain):
    delta = (2 * torch.rand(2, 3, 16, 16, generator=seeded(seed)) - 1) * epsilon
    strong = amplify(delta, Budget(epsilon), gain)
    assert strong.abs().max() <= Budget(epsilon).project(torch.ones(1)).item()
    assert torch.equal(strong.sign(), delta.sign())
    assert (strong.abs() >= delta.abs()).all()
