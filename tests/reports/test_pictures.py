"""What the pages and pictures are made of."""

from __future__ import annotations

import numpy as np
import pytest

from faceshield.core.errors import StoreError
from faceshield.core.types import Face
from faceshield.reports.faces import DOUBTFUL, SURE, draw_faces
from faceshield.reports.show import amplify_change, find_changed_regions


@pytest.mark.parametrize(("dtype", "step"), [(np.uint8, 1), (np.uint16, 257)])
def test_the_difference_is_amplified_around_grey(dtype, step):
    before = np.full((1, 5, 3), 100 * step, dtype)
    after = before + (np.array([0, 1, -1, 8, -9])[None, :, None] * step).astype(dtype)
    assert amplify_change(before, after)[0, :, 0].tolist() == [128, 144, 112, 255, 0]
    assert amplify_change(before, after).dtype == np.uint8
    assert amplify_change(before, after, 2)[0, :, 0].tolist() == [128, 130, 126, 144, 110]


def test_changed_regions_are_found_largest_first():
    before = np.full((200, 300, 3), 90, np.uint8)
    after = before.copy()
    rng = np.random.default_rng(0)
    places = [(20, 30, 60, 80), (100, 150, 180, 290)]
    for y0, x0, y1, x1 in places:
        after[y0:y1, x0:x1] += rng.integers(4, 9, (y1 - y0, x1 - x0, 3), np.uint8)
    found = find_changed_regions(before, after)
    assert len(found) == 2
    for region, (y0, x0, y1, x1) in zip(found, reversed(places), strict=True):
        got = (region.y0, region.x0, region.y1, region.x1)
        np.testing.assert_allclose(got, (y0, x0, y1, x1), atol=14)


def test_an_encoders_own_error_is_no_changed_region():
    before = np.full((100, 100, 3), 90, np.uint8)
    after = before.copy()
    after[::3, ::3] += 1
    assert find_changed_regions(before, after) == []
    assert find_changed_regions(before, before) == []


def test_faces_are_drawn_green_or_where_doubtful_orange(pixels, tmp_path):
    rgb = np.zeros((120, 200, 3), np.uint8)
    points = np.array([[10, 10], [20, 10], [15, 15], [12, 20], [18, 20]], np.float32)
    faces = [
        Face(np.array([10, 20, 60, 80], np.float32), points, 0.99),
        Face(np.array([100, 30, 160, 90], np.float32), points + 80, 0.6),
    ]
    draw_faces(rgb, faces, tmp_path / "a.png")
    picture = pixels(tmp_path / "a.png")
    assert not rgb.any(), "the picture given was drawn on"
    assert picture[50, 10].tolist() == list(SURE)
    assert picture[60, 100].tolist() == list(DOUBTFUL)
    assert not picture[100:, :90].any()


def test_a_face_partly_outside_can_be_drawn_and_a_place_that_cannot_be_written_is_one_line(tmp_path):
    face = Face(np.array([-10, -20, 500, 80], np.float32), np.zeros((5, 2), np.float32), 0.99)
    draw_faces(np.zeros((30, 40, 3), np.uint8), [face], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0
    with pytest.raises(StoreError, match="cannot be written"):
        draw_faces(np.zeros((30, 40, 3), np.uint8), [face], tmp_path / "a.png/b.png")
