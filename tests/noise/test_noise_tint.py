"""No broad tints: brightness stays, slow colour goes, fine colour stays."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.noise.tint import untinted

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def noise(seed, size=64, count=2):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def luma(delta):
    return (delta * LUMA).sum(1, keepdim=True)


def colour(delta):
    return delta - luma(delta)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([16, 64, 128]))
def test_luma_is_unchanged(seed, size):
    delta = noise(seed, size)
    torch.testing.assert_close(luma(untinted(delta)), luma(delta), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(-3, 3))
def test_linear(seed, a, b):
    x, y = noise(seed), noise(seed + 1)
    torch.testing.assert_close(untinted(a * x + b * y), a * untinted(x) + b * untinted(y), rtol=0, atol=2e-5)


def test_an_even_tint_is_gone_and_even_brightness_stays():
    tint = torch.tensor([1.0, -0.3, 0.2]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    assert colour(untinted(tint)).abs().max() < 1e-5
    grey = torch.ones(1, 3, 64, 64)
    torch.testing.assert_close(untinted(grey), grey, rtol=0, atol=1e-5)


def test_slow_colour_goes_and_fine_colour_stays():
    place = torch.arange(128.0)
    tint = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)

    def kept(period):
        wave = tint * torch.sin(2 * torch.pi * place / period).view(1, 1, 1, -1).expand(1, 1, 128, 128)
        middle = slice(32, 96)
        return float(colour(untinted(wave))[..., middle, middle].norm() / colour(wave)[..., middle, middle].norm())

    assert kept(100) < 0.1
    assert kept(6) > 0.95
    assert kept(100) < kept(40) < kept(20) < kept(10)


def test_the_given_delta_is_not_changed():
    delta = noise(0)
    kept = delta.clone()
    untinted(delta)
    assert delta.equal(kept)
