"""FLIP: what is handed to NVIDIA's package, and that nothing needs it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from faceshield.evaluation.flip import DEGREE, flip
from faceshield.evaluation.tint import ON_CANVAS


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.integers(8, 248, (40, 50, 3), np.uint8)
    return a, (a.astype(int) + rng.integers(-8, 9, a.shape)).astype(np.uint8)


def test_the_figure_is_that_of_the_files_in_the_packages_own_way(pair, tmp_path, put):
    package = pytest.importorskip("flip_evaluator")
    files = [str(put(tmp_path / name, picture)) for name, picture in zip(("a.png", "b.png"), pair, strict=True)]
    _, theirs, settings = package.evaluate(*files, "LDR")
    assert settings["ppd"] == pytest.approx(DEGREE, abs=0.05)
    assert flip(*pair, ON_CANVAS) == pytest.approx(theirs, rel=2e-3)


def test_a_large_picture_is_seen_from_as_much_nearer(pair):
    package = pytest.importorskip("flip_evaluator")
    large = [np.kron(picture, np.ones((2, 2, 1), np.uint8)) for picture in pair]
    small = [picture.astype(np.float32) / 255 for picture in pair]
    _, theirs, _ = package.evaluate(*small, "LDR", parameters={"ppd": DEGREE / 2})
    assert flip(*large, 2 * ON_CANVAS) == pytest.approx(theirs, rel=1e-3)


def test_equal_pictures_have_none(pair):
    pytest.importorskip("flip_evaluator")
    assert flip(pair[0], pair[0], 50.0) == 0


def test_nothing_needs_the_package(pair, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert flip(*pair, 50.0) is None
