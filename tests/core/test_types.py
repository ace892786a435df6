"""The nouns' own small rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from faceshield.core.budget import Budget
from faceshield.core.errors import FaceshieldError, PhotoError, StoreError, UnprotectedError, UsageError
from faceshield.core.types import Face, Noise, Photo


def test_white_and_eight_bits():
    deep = Photo(np.array([[[0, 65535, 0x1234]]], np.uint16), Path("a"), "PNG")
    assert deep.white == 65535
    assert deep.rgb8().tolist() == [[[0, 255, 0x12]]]
    plain = Photo(np.zeros((1, 1, 3), np.uint8), Path("a"), "PNG")
    assert plain.white == 255
    assert plain.rgb8() is plain.pixels


def test_a_faces_size_is_its_longer_side():
    assert Face(np.array([1, 2, 11, 32], np.float32), np.zeros((5, 2), np.float32), 0.9).size == 30


def test_noise_needs_a_key_for_each_delta():
    with pytest.raises(StoreError, match="2 deltas but 1 keys"):
        Noise(torch.zeros(2, 3, 4, 4), "class", ["a"], Budget())


def test_noise_is_found_by_key_in_any_order():
    noise = Noise(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 2, 2), "sample", ["a", "b", "c"], Budget())
    assert noise.for_batch(["c", "a", "c"])[:, 0, 0, 0].tolist() == [2, 0, 2]
    assert noise.for_batch([]).shape == (0, 3, 2, 2)
    with pytest.raises(StoreError, match="no entry 'd'; it was made for other data"):
        noise.for_batch(["a", "d"])


def test_every_error_has_its_own_code():
    codes = [kind.exit_code for kind in (FaceshieldError, UsageError, UnprotectedError, PhotoError, StoreError)]
    assert codes == [1, 2, 3, 4, 5]
