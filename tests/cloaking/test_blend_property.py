"""‖change‖∞ ≤ ε for every face, place and picture: the promise of the tool, as a property."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.core.types import Photo
from faceshield.imaging.blend import FEATHER, Region, blend, feather
from faceshield.imaging.quantize import add_levels, limit, to_levels

SIDE = 128
EPSILONS = [Fraction(2, 255), Fraction(4, 255), Fraction(8, 255), Fraction(16, 255), Fraction(3, 100)]


def photo(height, width, kind, dtype, grey, seed=0):
    white = np.iinfo(dtype).max
    if kind == "random":
        pixels = np.random.default_rng(seed).integers(0, white, (height, width, 3), dtype, endpoint=True)
    else:
        pixels = np.full((height, width, 3), {"black": 0, "white": white, "middle": white // 2}[kind], dtype)
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    return Photo(pixels, Path("a.png"), "PNG", grey=grey)


def noise(kind, epsilon, seed=0):
    if kind == "random":
        return (torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * epsilon
    return torch.full((3, SIDE, SIDE), {"up": epsilon, "down": -epsilon}[kind])


def placed(size, degrees, x, y):
    """photo → canvas for a face of ``size`` photo pixels (about 100 on the canvas) whose middle is at (x, y)."""
    turn = 100 / size * np.exp(1j * math.radians(degrees))
    shift = complex(63.5, 63.5) - turn * complex(x, y)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32)


PLACES = st.tuples(st.floats(40, 600), st.floats(-180, 180), st.floats(-0.3, 1.3), st.floats(-0.3, 1.3))
PHOTOS = st.tuples(
    st.integers(16, 300),
    st.integers(16, 300),
    st.sampled_from(["random", "black", "white", "middle"]),
    st.sampled_from([np.uint8, np.uint16]),
    st.booleans(),
)
NOISES = st.tuples(st.sampled_from(["random", "up", "down"]), st.sampled_from(EPSILONS), st.integers(0, 9))


def levels(epsilon, dtype):
    """The largest whole number of levels within ε, in exact arithmetic."""
    return math.floor(epsilon * int(np.iinfo(dtype).max))


@settings(deadline=None, max_examples=120)
@given(PHOTOS, st.lists(PLACES, min_size=1, max_size=3), NOISES)
def test_no_pixel_changes_by_more_than_epsilon_and_none_outside_the_regions(picture, places, made):
    height, width, _, dtype, grey = picture
    kind, epsilon, seed = made
    before = photo(*picture, seed=seed)
    kept = before.pixels.copy()
    matrices = [placed(size, angle, x * width, y * height) for size, angle, x, y in places]
    delta = noise(kind, float(epsilon), seed)
    after, regions = blend(before, [(delta, matrix) for matrix in matrices], float(epsilon))

    np.testing.assert_array_equal(before.pixels, kept)
    assert after.dtype == dtype
    assert after.shape == kept.shape
    assert len(regions) == len(places)
    change = after.astype(np.int64) - kept
    assert np.abs(change).max() <= levels(epsilon, dtype)
    if grey:
        assert (after[..., 0] == after[..., 1]).all()
        assert (after[..., 0] == after[..., 2]).all()

    rows, columns = np.mgrid[0:height, 0:width]
    reached, within = np.zeros((2, height, width), bool)
    for matrix, region in zip(matrices, regions, strict=True):
        on_canvas = np.einsum("ij,jhw->ihw", matrix, np.stack([columns, rows, np.ones_like(rows)]).astype(float))
        reached |= ((on_canvas > -0.51) & (on_canvas < SIDE - 0.49)).all(0)
        region.of(within)[:] = True
    assert not change[~within].any(), "a pixel outside the returned regions changed"
    assert not change[~reached].any(), "a pixel that the canvas does not reach changed"


@settings(deadline=None, max_examples=40)
@given(PLACES, PLACES, st.integers(0, 9))
def test_overlapping_faces_add_up_within_epsilon(one, other, seed):
    """Two faces' changes are the sum of what each does alone, cut at ε."""
    epsilon = 8 / 255
    before = photo(120, 160, "middle", np.uint8, False)
    pairs = [
        (noise("random", epsilon, seed + i), placed(s, a, x * 160, y * 120))
        for i, (s, a, x, y) in enumerate((one, other))
    ]
    alone = [blend(before, [pair], epsilon)[0].astype(int) - before.pixels for pair in pairs]
    together = blend(before, pairs, epsilon)[0].astype(int) - before.pixels
    np.testing.assert_array_equal(together, np.clip(alone[0] + alone[1], -8, 8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("kind", "sign"), [("up", 1), ("down", -1)])
def test_the_noise_arrives_at_full_strength(dtype, kind, sign):
    before = photo(300, 300, "middle", dtype, False)
    after, (region,) = blend(before, [(noise(kind, 8 / 255), placed(100, 0, 150, 150))], 8 / 255)
    change = region.of(after.astype(np.int64) - before.pixels)
    assert (change[20:-20, 20:-20] == sign * 8 * np.iinfo(dtype).max // 255).all()
    assert set(change.shape[:2]) <= {SIDE, SIDE + 1}


def test_the_noise_has_no_edge():
    """It fades in from the border of the canvas, level by level."""
    before = photo(400, 400, "middle", np.uint8, False)
    after, (region,) = blend(before, [(noise("up", 8 / 255), placed(200, 0, 200, 200))], 8 / 255)
    row = region.of(after.astype(int) - before.pixels)[128, :, 0]
    assert row.max() == 8
    for ramp in (row[:64], row[::-1][:64]):
        assert ramp[:2].max() <= 1
        assert set(np.diff(ramp).tolist()) <= {0, 1}
        assert ramp[24:].min() == 8


def test_saturated_pixels_move_only_inwards():
    for kind, wrong in (("black", "down"), ("white", "up")):
        before = photo(200, 200, kind, np.uint8, False)
        after, _ = blend(before, [(noise(wrong, 8 / 255), placed(100, 0, 100, 100))], 8 / 255)
        np.testing.assert_array_equal(after, before.pixels)


def test_no_face_changes_nothing():
    before = photo(50, 60, "random", np.uint8, False)
    after, regions = blend(before, [], 8 / 255)
    assert regions == []
    np.testing.assert_array_equal(after, before.pixels)
    assert after is not before.pixels


def test_grey_takes_the_noises_luma():
    delta = torch.zeros(3, SIDE, SIDE)
    delta[1] = 8 / 255
    after, (region,) = blend(photo(200, 200, "middle", np.uint8, True), [(delta, placed(100, 0, 99.5, 99.5))], 8 / 255)
    assert (region.of(after)[20:-20, 20:-20] == 127 + round(0.587 * 8)).all()


def test_feather_fades_the_border_and_leaves_the_middle():
    faded = feather(torch.ones(3, SIDE, SIDE))
    row = faded[0, SIDE // 2]
    assert (faded[:, FEATHER:-FEATHER, FEATHER:-FEATHER] == 1).all()
    assert row[0] < 0.02
    assert (row[: FEATHER + 1].diff() > 0).all()
    torch.testing.assert_close(faded, faded.flip(-1).transpose(-1, -2))


def test_region_is_a_view():
    pixels = np.zeros((4, 5, 3), np.uint8)
    Region(1, 2, 3, 5).of(pixels)[:] = 7
    assert pixels.sum() == 7 * 2 * 3 * 3


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("epsilon", EPSILONS, ids=str)
def test_limit_is_the_floor_in_exact_arithmetic(epsilon, white):
    assert limit(float(epsilon), white) == math.floor(epsilon * white)


@given(st.floats(-1, 1, width=32), st.sampled_from(EPSILONS), st.sampled_from([255, 65535]))
def test_levels_are_rounded_once_and_bounded(value, epsilon, white):
    (level,) = to_levels(np.array([value], np.float32), float(epsilon), white)
    bound = math.floor(epsilon * white)
    assert -bound <= level <= bound
    if abs(level) < bound:
        assert abs(int(level) - value * white) <= 0.5 + white * 1e-7


@given(st.integers(0, 255), st.integers(-(2**20), 2**20))
def test_adding_levels_stays_in_range_and_in_the_bound(pixel, level):
    (changed,) = add_levels(np.array([pixel], np.uint8), np.array([level], np.int32), 8 / 255)
    assert int(changed) == min(255, max(0, pixel + min(8, max(-8, level))))
