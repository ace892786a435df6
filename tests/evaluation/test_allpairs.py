"""All pairs at once against the plain ROC of the same scores and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from faceshield.core.errors import UsageError
from faceshield.evaluation import allpairs
from faceshield.evaluation.allpairs import all_pairs_roc, split_roc
from faceshield.evaluation.roc import roc

LEVELS = st.lists(st.integers(-4, 4), min_size=1, max_size=30)


@given(LEVELS, LEVELS)
def test_the_points_at_same_pairs_are_all_that_is_needed(genuine, impostor):
    scores = np.array([*genuine, *impostor], np.float32) / 5
    same = np.arange(len(scores)) < len(genuine)
    if len(set(scores)) < 2:
        return
    whole, few = roc(scores, same), split_roc(scores[same], scores[~same].copy())
    assert few.auc == whole.auc
    assert few.eer == pytest.approx(whole.eer, abs=1e-12)
    assert (few.positives, few.negatives) == (whole.positives, whole.negatives)
    for target in (0.2, 0.5, 0.9):
        if target * len(impostor) >= 3:
            one, other = few.tar_at_far(target), whole.tar_at_far(target)
            assert (one.tar, one.far) == (other.tar, other.far)
            assert (scores[~same] >= one.threshold).mean() == one.far


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 7, 10**6]))
def test_blocks_of_any_size_give_the_same_pairs(seed, n, m, block):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(n, 5)).astype(np.float32), rng.normal(size=(m, 5)).astype(np.float32)
    a, b = rng.integers(0, 4, n), rng.integers(0, 4, m)
    same = a[:, None] == b
    if same.all() or not same.any():
        return
    cosine = (left @ right.T) / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allpairs, "_BLOCK", block)
        curve = all_pairs_roc(left, a, right, b)
    assert (curve.positives, curve.negatives) == (same.sum(), (~same).sum())
    assert curve.auc == pytest.approx(roc_auc_score(same.ravel(), cosine.ravel().astype(np.float64)), abs=2e-6 * n * m)


def test_a_larger_set_with_lengths_of_every_size():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(50), 8)
    places = rng.normal(size=(50, 16))[people] + rng.normal(size=(400, 16))
    places *= rng.uniform(0.1, 10, (400, 1))
    left, right = places[::2].astype(np.float32), places[1::2].astype(np.float32)
    curve = all_pairs_roc(left, people[::2], right, people[1::2])
    scores = (left / np.linalg.norm(left, axis=1, keepdims=True)) @ (
        right / np.linalg.norm(right, axis=1, keepdims=True)
    ).T
    whole = roc(scores.ravel(), (people[::2, None] == people[1::2]).ravel())
    assert curve.auc == pytest.approx(whole.auc, abs=1e-6)
    assert curve.eer == pytest.approx(whole.eer, abs=1e-4)
    assert curve.tar_at_far(1e-3).tar == pytest.approx(whole.tar_at_far(1e-3).tar, abs=0.003)
    assert len(curve.thresholds) <= 2 * curve.positives + 2


def test_perfect_and_reversed_order():
    low, high = np.float32([0.1, 0.2]), np.float32([0.3, 0.4, 0.5])
    assert split_roc(high.copy(), low.copy()).auc == 1
    assert split_roc(high.copy(), low.copy()).eer == 0
    assert split_roc(low.copy(), high.copy()).auc == 0
    assert split_roc(low.copy(), high.copy()).eer == 1


def test_what_has_no_curve():
    one = np.ones((3, 2), np.float32)
    with pytest.raises(UsageError, match="shows different people"):
        all_pairs_roc(one, np.zeros(3, int), one, np.zeros(3, int))
    with pytest.raises(UsageError, match="shows one person"):
        all_pairs_roc(one, np.zeros(3, int), one, np.ones(3, int))
    broken = one.copy()
    broken[1, 1] = np.nan
    for other in (np.arange(3), np.array([0, 1, 9])):
        with pytest.raises(UsageError, match="NaN"):
            all_pairs_roc(broken, np.arange(3), one, other)
    with pytest.raises(UsageError, match="of one D"):
        all_pairs_roc(one, np.arange(3), np.ones((3, 4), np.float32), np.arange(3))
    with pytest.raises(UsageError, match="labels for 3 and 3"):
        all_pairs_roc(one, np.arange(2), one, np.arange(3))
