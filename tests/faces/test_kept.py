"""The detector that remembers gives what the real one found, and asks it once."""

from __future__ import annotations

import numpy as np
import pytest

from faceshield.core.types import Face
from faceshield.faces.kept import KeptDetector


class Counting:
    """Finds as many faces as the top left pixel says."""

    def __init__(self):
        self.asked = 0

    def detect(self, rgb):
        self.asked += 1
        count = int(rgb[0, 0, 0])
        return [
            Face(np.arange(4, dtype=np.float32) + n, np.full((5, 2), n, np.float32), 0.9 + n / 100)
            for n in range(count)
        ]

    def look(self, rgb, box):
        return self.detect(rgb)[0]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_same_pixels_are_looked_at_once(tmp_path, count):
    own = Counting()
    rgb = np.full((6, 5, 3), count, np.uint8)
    first = KeptDetector(own, tmp_path).detect(rgb)
    again = KeptDetector(own, tmp_path).detect(rgb.copy())
    assert own.asked == 1
    assert len(first) == len(again) == count
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.box, b.box)
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        assert a.score == b.score
        assert b.landmarks.dtype == np.float32


def test_other_pixels_or_another_shape_are_another_photo(tmp_path):
    own = Counting()
    kept = KeptDetector(own, tmp_path)
    rgb = np.ones((6, 4, 3), np.uint8)
    for photo in (rgb, rgb.reshape(4, 6, 3), rgb * 2):
        kept.detect(photo)
    assert own.asked == 3
    assert kept.look(rgb, np.zeros(4, np.float32)).score == 0.9
