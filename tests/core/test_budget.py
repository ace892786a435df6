"""ε: its projection, its steps, and how it is read."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceshield.core.budget import Budget, format_epsilon, parse_epsilon, split_colour
from faceshield.core.errors import UsageError

DELTAS = arrays(np.float32, (2, 3, 4, 4), elements=st.floats(-2, 2, width=32)).map(torch.from_numpy)
EPSILONS = st.floats(0.001, 1)


@given(DELTAS, EPSILONS)
def test_linf_projection_is_the_nearest_point(delta, epsilon):
    inside = Budget(epsilon).project(delta)
    assert inside.shape == delta.shape
    assert inside.abs().max() <= epsilon * (1 + 1e-6)
    np.testing.assert_array_equal(inside, np.clip(delta.numpy(), np.float32(-epsilon), np.float32(epsilon)))


@given(DELTAS, st.floats(0.001, 10))
def test_l2_projection_is_the_nearest_point_of_each_example(delta, epsilon):
    inside = Budget(epsilon, "l2").project(delta)
    for before, after in zip(delta, inside, strict=True):
        length = float(before.double().norm())
        expected = before * min(1.0, epsilon / length) if length > 0 else before
        torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-6)
        assert float(after.norm()) <= epsilon * (1 + 1e-4)


@given(DELTAS, st.floats(0.01, 1), st.floats(0, 0.5))
def test_a_bound_on_colour_holds_beside_epsilon(delta, epsilon, share):
    budget = Budget(epsilon, chroma=share * epsilon)
    inside = budget.project(delta)
    assert inside.abs().max() <= epsilon * (1 + 1e-5)
    for image in inside:  # OpenCV's coefficients are JPEG's, to three digits
        ycrcb = cv2.cvtColor(image.permute(1, 2, 0).numpy() + 2, cv2.COLOR_RGB2YCrCb)
        assert np.abs(ycrcb[..., 1] - 0.5).max() * 1 / 0.713 / 1.402 <= 1.27 * share * epsilon + 3e-3
        assert np.abs(ycrcb[..., 2] - 0.5).max() * 1 / 0.564 / 1.772 <= share * epsilon + 3e-3
    lightness = split_colour(delta)[0][:, None].expand_as(delta)
    assert (budget.project(lightness) - lightness.clamp(-epsilon, epsilon)).abs().max() < 1e-5, "grey δ is only clamped"


def test_without_colour_all_channels_change_alike():
    made = Budget(0.03, chroma=0.0).project(torch.randn(3, 8, 8))
    torch.testing.assert_close(made[0], made[1])
    torch.testing.assert_close(made[0], made[2])
    step = Budget(0.03, chroma=0.01).step(torch.tensor([1.0, 0, 0])[:, None, None], 0.3)
    luma, cb, cr = split_colour(step)
    assert float(luma) == pytest.approx(0.3, abs=1e-6)
    assert (float(cb), float(cr)) == pytest.approx((0, 0.1), abs=1e-6)


@pytest.mark.parametrize("chroma", [-0.01, 0.02, float("nan")])
def test_a_bound_on_colour_is_at_most_half_of_epsilon(chroma):
    with pytest.raises(UsageError, match="half of epsilon"):
        Budget(0.03, chroma=chroma)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(delta=DELTAS, epsilon=EPSILONS)
@settings(max_examples=30)
def test_projecting_twice_is_projecting_once(norm, delta, epsilon):
    budget = Budget(epsilon, norm)
    once = budget.project(delta)
    torch.testing.assert_close(budget.project(once), once, rtol=1e-5, atol=1e-7)


@given(DELTAS, st.floats(0.001, 1))
def test_linf_step_goes_alpha_along_each_sign(gradient, alpha):
    step = Budget().step(gradient, alpha)
    np.testing.assert_array_equal(step, np.float32(alpha) * np.sign(gradient.numpy()))


@given(DELTAS, st.floats(0.001, 1))
def test_l2_step_is_alpha_long_and_points_along_the_gradient(gradient, alpha):
    step = Budget(1.0, "l2").step(gradient, alpha)
    for g, s in zip(gradient.double(), step.double(), strict=True):
        if g.norm() > 1e-6:
            assert float(s.norm()) == pytest.approx(alpha, rel=1e-4)
            assert float((g * s).sum()) == pytest.approx(float(g.norm() * s.norm()), rel=1e-4)
    assert Budget(1.0, "l2").step(torch.zeros(1, 3, 2, 2), alpha).abs().sum() == 0


def test_nothing_given_is_changed():
    delta = torch.full((1, 3, 2, 2), 0.5)
    for budget in (Budget(0.1), Budget(0.1, "l2")):
        budget.project(delta)
        budget.step(delta, 0.1)
    assert (delta == 0.5).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        budget.epsilon = 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("8/255", 8 / 255), (" 16/255 ", 16 / 255), ("0.03", 0.03), ("1", 1.0), ("1/1", 1.0), ("1e-2", 0.01)],
)
def test_epsilon_is_read(text, value):
    assert parse_epsilon(text) == value


@pytest.mark.parametrize("text", ["abc", "", "/", "8/", "/255", "1/0", "8/255/2", "8 255", "0x8", "1,5"])
def test_what_is_no_number_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"is not a number; write it as 8/255 or 0\.0314"):
        parse_epsilon(text)


@pytest.mark.parametrize("text", ["0", "-8/255", "nan", "inf", "-inf", "nan/1", "0/5", "1/inf", "inf/inf"])
def test_what_is_no_radius_is_refused(text):
    with pytest.raises(UsageError, match="must be a positive number, for example 8/255"):
        parse_epsilon(text)


@pytest.mark.parametrize("text", ["8", "8.0", "16/2"])
def test_a_bare_8_is_answered_with_its_likely_meaning(text):
    with pytest.raises(UsageError, match="did you mean 8/255"):
        parse_epsilon(text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        value = parse_epsilon(text)
    except UsageError:
        return
    assert 0 < value <= 1


@given(st.integers(1, 255))
def test_written_and_read_is_the_same(levels):
    text = format_epsilon(levels / 255)
    assert text == f"{levels}/255"
    assert parse_epsilon(text) == levels / 255


def test_other_radii_are_written_as_numbers():
    assert format_epsilon(0.03) == "0.0300"


def test_budgets_that_make_no_sense():
    with pytest.raises(UsageError, match="norm 'l1' is unknown"):
        Budget(0.1, "l1")
    with pytest.raises(UsageError, match="positive"):
        Budget(math.nan)
    assert Budget(5.0, "l2").epsilon == 5.0
