"""Looks: within ε, equal in all channels; natural and balanced follow the photo, strong fills ε everywhere."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.budget import Budget
from faceshield.noise.band import keep_band
from faceshield.noise.identity import bound_lightness
from faceshield.noise.just_noticeable import amplitude
from faceshield.noise.look import adjust

EPSILON = 8 / 255
BUDGET = bound_lightness(EPSILON)


@pytest.fixture
def delta():
    noise = keep_band(torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)))
    return BUDGET.project((noise / noise.std() * EPSILON / 2).expand(1, 3, 128, 128))[0]


@pytest.fixture
def canvas():
    """Smooth on the left, rough on the right."""
    picture = torch.full((3, 128, 128), 0.5)
    picture[:, :, 64:] += 0.4 * (torch.rand(128, 64, generator=torch.Generator().manual_seed(1)) - 0.5)
    return picture


def measure_sides(made, delta):
    """The strength that δ kept on the smooth side and on the rough one."""
    return (float(made[..., part].norm() / delta[..., part].norm()) for part in (slice(0, 48), slice(80, 128)))


def test_natural_is_weaker_where_the_photo_is_smooth(delta, canvas):
    made = adjust(delta, canvas, "natural", BUDGET)
    torch.testing.assert_close(made, delta * amplitude(canvas[None])[0])
    smooth, rough = measure_sides(made, delta)
    assert smooth < 0.6 * rough
    assert rough <= 1


def test_balanced_takes_from_smooth_places_and_gives_to_rough_ones(delta, canvas):
    made = adjust(delta, canvas, "balanced", BUDGET)
    assert made.abs().max() <= EPSILON + 1e-7
    smooth, rough = measure_sides(made, delta)
    assert smooth < 1 < rough


@pytest.mark.parametrize("look", ["natural", "balanced", "strong"])
def test_a_noise_in_colour_keeps_its_colour(canvas, look):
    """An identity from before noise was colourless."""
    coloured = torch.tensor([0.5, -0.5, 0.25]).view(3, 1, 1).expand(3, 128, 128) * EPSILON
    made = adjust(coloured, canvas, look, Budget(EPSILON))
    torch.testing.assert_close(made / made[:1], coloured / coloured[:1])


def test_strong_is_at_epsilon_oftener(delta, canvas):
    made = adjust(delta, canvas, "strong", BUDGET)
    assert made.abs().max() <= EPSILON + 1e-7
    assert made.sign().equal(delta.sign())
    assert (made.abs() > 0.99 * EPSILON).float().mean() > 2 * (delta.abs() > 0.99 * EPSILON).float().mean()


@pytest.mark.parametrize("look", ["natural", "balanced", "strong"])
def test_all_channels_stay_equal(delta, canvas, look):
    made = adjust(delta, canvas, look, BUDGET)
    assert made[0].equal(made[1])
    assert made[1].equal(made[2])
