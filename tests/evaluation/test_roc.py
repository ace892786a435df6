"""The ROC against scikit-learn and against counting pairs one by one; what cannot be read off it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from faceshield.core.errors import UsageError
from faceshield.evaluation.roc import clopper_pearson, roc


@st.composite
def scored(draw, least=2, most=40, levels=6):
    """Scores with many ties and labels of both kinds."""
    count = draw(st.integers(least, most))
    scores = draw(st.lists(st.integers(0, levels), min_size=count, max_size=count).filter(lambda v: len(set(v)) > 1))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda v: len(set(v)) > 1))
    return np.array(scores) / 7 - 0.3, np.array(same)


def sampled(count=4000, apart=1.5, seed=0, decimals=2):
    rng = np.random.default_rng(seed)
    same = np.arange(count) % 2 == 0
    return np.round(rng.normal(size=count) + apart * same, decimals), same


@given(scored())
def test_the_curve_is_scikit_learns(data):
    scores, same = data
    fpr, tpr, thresholds = roc_curve(same, scores, drop_intermediate=False)
    curve = roc(scores, same)
    np.testing.assert_allclose(curve.fpr, fpr)
    np.testing.assert_allclose(curve.tpr, tpr)
    np.testing.assert_array_equal(curve.thresholds[1:], thresholds[1:])
    assert curve.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-12)


@given(scored())
def test_auc_counts_pairs_of_pairs(data):
    scores, same = data
    wins = [(a > b) + 0.5 * (a == b) for a in scores[same] for b in scores[~same]]
    assert roc(scores, same).auc == pytest.approx(np.mean(wins), abs=1e-12)


@given(scored(), st.integers(0, 10**6))
def test_neither_the_order_nor_a_rising_map_changes_anything(data, seed):
    scores, same = data
    order = np.random.default_rng(seed).permutation(len(scores))
    one, other = roc(scores, same), roc(np.exp(3 * scores[order]), same[order])
    np.testing.assert_array_equal(one.fpr, other.fpr)
    np.testing.assert_array_equal(one.tpr, other.tpr)
    assert one.eer == other.eer


@given(scored())
def test_turning_the_scores_around_turns_auc_and_eer_around(data):
    scores, same = data
    one, other = roc(scores, same), roc(-scores, same)
    assert one.auc + other.auc == pytest.approx(1)
    assert one.eer + other.eer == pytest.approx(1)


@given(scored())
def test_eer_is_where_the_straight_lines_cross(data):
    scores, same = data
    curve = roc(scores, same)
    steps = np.linspace(0, 1, len(curve.fpr))
    gap = lambda t: np.interp(t, steps, curve.fpr) - np.interp(t, steps, curve.fnmr)  # noqa: E731
    assert curve.eer == pytest.approx(np.interp(brentq(gap, 0, 1), steps, curve.fpr), abs=1e-9)


def test_the_det_curve_is_scikit_learns():
    scores, same = sampled()
    fpr, fnr, thresholds = det_curve(same, scores)
    curve = roc(scores, same)
    places = np.searchsorted(-curve.thresholds, -thresholds)
    np.testing.assert_allclose(curve.fpr[places], fpr)
    np.testing.assert_allclose(curve.fnmr[places], fnr, atol=1e-12)


@given(scored(8), st.floats(0.1, 0.99))
def test_tar_at_far_is_the_best_that_any_threshold_gives(data, target):
    scores, same = data
    negatives = int((~same).sum())
    if target * negatives < 3:
        with pytest.raises(UsageError, match="cannot be resolved"):
            roc(scores, same).tar_at_far(target)
        return
    point = roc(scores, same).tar_at_far(target)
    rates = [((scores >= t)[~same].mean(), (scores >= t)[same].mean()) for t in [*scores, np.inf]]
    assert point.tar == max(tar for far, tar in rates if far <= target)
    assert point.far == (scores >= point.threshold)[~same].mean() <= target
    assert point.tar == (scores >= point.threshold)[same].mean()
    assert point.far == min(far for far, tar in rates if tar == point.tar)


def test_a_far_above_the_target_is_never_taken_for_it():
    """The nearest FAR would be 0.5 here; the copied scripts of IJB take the nearest."""
    same = np.array([True] * 10 + [False] * 10)
    scores = np.array([0.9] * 5 + [0.5] * 5 + [0.5] * 5 + [0.1] * 5)
    point = roc(scores, same).tar_at_far(0.4)
    assert (point.far, point.tar, point.threshold) == (0, 0.5, 0.9)


def test_rates_in_which_many_pairs_tie_need_no_interpolation():
    """Interpolating over duplicate FAR values is what fails in facenet's calculate_val."""
    same = np.arange(200) % 2 == 0
    scores = np.where(same, 1.0, 0.0)
    scores[:20] = 0.5
    for target in (0.03, 0.1, 0.5):
        assert roc(scores, same).tar_at_far(target).tar == (0.9 if target < 0.1 else 1)


def test_distances_beyond_any_grid_are_counted():
    """A grid of thresholds from 0 to 4 sees no false accept among squared distances of 5 to 8, and reports TAR ≈ 0."""
    rng = np.random.default_rng(0)
    same = np.arange(400) % 2 == 0
    scores = -np.where(same, rng.uniform(4, 6, 400), rng.uniform(5, 8, 400))
    curve = roc(scores, same)
    assert curve.auc == pytest.approx(roc_auc_score(same, scores))
    assert curve.tar_at_far(0.1).tar > 0.5


def test_what_the_pairs_cannot_resolve_is_refused():
    scores, same = sampled(6000)
    curve = roc(scores, same)
    assert curve.tar_at_far(1e-3).far <= 1e-3
    with pytest.raises(UsageError, match=r"FAR 0\.0001 cannot be resolved by 3000 pairs .* use 0\.001 or more"):
        curve.tar_at_far(1e-4)
    for target in (0, 1, -0.1, float("nan")):
        with pytest.raises(UsageError, match="must be above 0 and below 1"):
            curve.tar_at_far(target)


@pytest.mark.parametrize(
    ("negatives", "rate"), [(3000, "0.001"), (1438, "0.003"), (299, "0.02"), (4, "0.8"), (31, "0.1")]
)
def test_the_rate_that_is_offered_can_be_had(negatives, rate):
    same = np.arange(negatives + 2) < 2
    curve = roc(np.linspace(1, 0, negatives + 2), same)
    with pytest.raises(UsageError, match=rf"use {rate} or more"):
        curve.tar_at_far(1e-9)
    assert curve.tar_at_far(float(rate)).tar == 1


def test_three_of_three_thousand_is_allowed_and_four_is_not():
    same = np.arange(6000) < 3000
    scores = np.where(same, 0.5, np.arange(6000) / 1e5)
    scores[-4:] = [0.6, 0.7, 0.8, 0.9]
    assert roc(scores, same).tar_at_far(1e-3).tar == 0
    scores[-4] = 0.4
    point = roc(scores, same).tar_at_far(1e-3)
    assert (point.tar, point.far) == (1, 0.001)
    assert point.far_ci == pytest.approx((0.0002, 0.0029), abs=5e-5)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_scipys(counts):
    expected = binomtest(*counts).proportion_ci(method="exact")
    assert clopper_pearson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_threshold_from_elsewhere_is_read_off_the_curve():
    scores, same = sampled()
    for threshold in (-99.0, 0.005, 0.5, 0.7512, 99.0):
        point = roc(scores, same).at(threshold)
        assert point.far == (scores >= threshold)[~same].mean()
        assert point.tar == (scores >= threshold)[same].mean()
        assert point.threshold == threshold


def test_pairs_without_a_score_are_rejected_by_every_threshold():
    scores, same = sampled()
    lost = scores.copy()
    lost[:10] = -np.inf
    curve = roc(lost, same)
    floor = np.where(np.isneginf(lost), scores.min() - 1, lost)
    assert curve.auc == pytest.approx(roc_auc_score(same, floor))
    assert curve.at(-1e9).tar == 1 - 5 / 2000
    assert np.isfinite(curve.tar_at_far(0.999).threshold)


@pytest.mark.parametrize(
    ("scores", "same", "words"),
    [
        ([0.1, np.nan, 0.3], [True, False, True], "1 of 3 scores are NaN"),
        ([0.1, np.inf, 0.3], [True, False, True], "1 of 3 scores are NaN or"),
        ([0.5, 0.5, 0.5], [True, False, True], "all 3 scores are equal"),
        ([-np.inf, 0.5, 0.5], [True, False, True], "all 2 scores are equal"),
        ([-np.inf, -np.inf], [True, False], "no face was found in any"),
        ([0.1, 0.2], [True, True], "shows different people"),
        ([0.1, 0.2], [False, False], "shows one person"),
        ([0.1, 0.2], [True], r"scores \(2,\) and same \(1,\)"),
        ([[0.1], [0.2]], [[True], [False]], "one number and one bool"),
        ([0.1, 0.2], [2, 0], "of int64"),
    ],
)
def test_what_has_no_curve_is_refused_in_one_line(scores, same, words):
    with pytest.raises(UsageError, match=words) as caught:
        roc(scores, np.array(same))
    assert "\n" not in str(caught.value)
