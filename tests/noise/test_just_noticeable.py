"""The map of how strong noise may be: against SciPy's Gaussian and loops, and by what it must tell apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from faceshield.noise.just_noticeable import AROUND, FLOOR, PLACE, ROUGH, amplitude

SIDE = 128


def draw(kind, seed=0, mean=0.5):
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE), mean)
    if kind == "texture":
        picture += rng.normal(0, 0.08, picture.shape)
    if kind == "edge":
        picture[:, :64] -= 0.15
        picture[:, 64:] += 0.15
    if kind == "shade":
        picture += np.linspace(-0.15, 0.15, SIDE)
    return torch.from_numpy(picture.clip(0, 1)).float().expand(1, 3, SIDE, SIDE)


def blur(plane, sigma):
    """Weights of every pair of places, as far as the picture reaches; one loop an axis."""
    for _ in range(2):
        place = np.arange(len(plane))
        rows = []
        for here in place:
            weights = np.exp(-((place - here) ** 2) / (2 * sigma**2))
            rows.append(weights @ plane / weights.sum())
        plane = np.stack(rows).T
    return plane


def test_it_is_the_formula_written_as_loops():
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.3
    luma = np.tensordot([0.299, 0.587, 0.114], picture[0].double().numpy(), 1)
    mean = blur(luma, PLACE)
    middle = np.s_[30:-30, 30:-30]
    np.testing.assert_allclose(mean[middle], gaussian_filter(luma, PLACE, truncate=8)[middle], atol=1e-6)
    visible = blur(1 / (1 + (luma - mean) ** 2 / ROUGH**2), AROUND)
    expected = np.empty_like(luma)
    for row, column in np.ndindex(*luma.shape):
        away = 100 * mean[row, column] - 50
        lightness = 1 + 0.015 * away**2 / np.sqrt(20 + away**2)
        found = (FLOOR + (1 - FLOOR) * (1 - visible[row, column])) * lightness
        expected[row, column] = min(max(found, FLOOR), 1)
    np.testing.assert_allclose(amplitude(picture)[0, 0], expected, atol=2e-5)


@pytest.mark.parametrize("size", [32, 64, 128, 200])
@pytest.mark.parametrize("floor", [0.1, 0.35, 1.0])
def test_range_and_each_picture_by_itself(size, floor):
    pictures = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    found = amplitude(pictures, floor)
    assert found.shape == (3, 1, size, size)
    assert floor - 1e-6 <= found.min() <= found.max() <= 1 + 1e-6
    singles = torch.cat([amplitude(one[None], floor) for one in pictures])
    torch.testing.assert_close(found, singles, atol=1e-6, rtol=0)


def test_plain_mid_grey_has_the_floor_and_black_and_white_three_quarters_more():
    assert amplitude(draw("plain")).numpy() == pytest.approx(FLOOR, abs=1e-5)
    for mean in (0.0, 1.0):
        s_l = 1 + 0.015 * 50**2 / np.sqrt(20 + 50**2)
        assert amplitude(draw("plain", mean=mean)).numpy() == pytest.approx(FLOOR * s_l, abs=1e-5)


def test_texture_may_have_more_than_a_lone_edge_and_shading_next_to_nothing_more():
    inner = np.s_[0, 0, 20:-20, 20:-20]
    texture, edge = (amplitude(draw(kind))[inner] for kind in ("texture", "edge"))
    assert texture.mean() > 0.75
    assert edge[:, 34:54].mean() < texture.mean() - 0.1
    plain = amplitude(draw("plain", mean=0.35))[inner]
    assert edge[:, :25].mean() < plain.mean() + 0.02, "a plain wall stays plain until near the edge"
    assert amplitude(draw("shade"))[inner].max() < FLOOR + 0.1


def test_the_map_of_a_larger_picture_is_the_larger_map():
    rough = gaussian_filter(np.random.default_rng(0).normal(0, 0.4, (SIDE, SIDE)), 1.5) + 0.5
    picture = torch.from_numpy(rough).float().expand(1, 3, SIDE, SIDE).clamp(0, 1)
    large = torch.nn.functional.interpolate(picture, scale_factor=3, mode="bilinear", align_corners=False)
    found = torch.nn.functional.interpolate(amplitude(large), [SIDE, SIDE], mode="area")
    torch.testing.assert_close(found, amplitude(picture), atol=0.05, rtol=0)
    assert np.corrcoef(found.flatten(), amplitude(picture).flatten())[0, 1] > 0.95


def test_it_is_smooth_enough_to_step_through():
    picture = (torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 0.2 + 0.4).double()
    picture.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: amplitude(x)[..., ::5, ::5], picture, fast_mode=True)
