"""Photos of 16 bits as ones of 8: the nearest level, and ε means the same before and after."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.types import to_uint8


def test_each_value_is_its_nearest_level():
    values = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(to_uint8(values), np.rint(values / 65535 * 255))


@given(levels=st.integers(1, 32), start=st.integers(0, 65535))
def test_a_change_within_epsilon_stays_within_it(levels, start):
    changed = np.uint16(min(65535, start + levels * 257))
    before, after = to_uint8(np.array([start, changed], np.uint16)).astype(int)
    assert 0 <= after - before <= levels
