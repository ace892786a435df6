"""LFW's folds, each known mistake of the scripts that everyone copies, and the features they are scored by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from faceshield.core.errors import UsageError
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.evaluation.folds import decide_same, find_threshold, fold_accuracy


def sampled(folds=10, each=60, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    same = np.tile(np.arange(each) < each // 2, folds)
    scores = rng.normal(size=folds * each) + apart * same
    return scores, same, np.repeat(np.arange(folds), each)


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=30))
def test_no_threshold_is_better_than_the_best(pairs):
    scores, same = np.array([score for score, _ in pairs]) / 3, np.array([alike for _, alike in pairs])
    if len(set(scores)) < 2 or len(set(same)) < 2:
        return
    chosen = find_threshold(scores, same)
    accuracy = [(decide_same(scores, t) == same).mean() for t in [*scores, np.inf]]
    assert (decide_same(scores, chosen) == same).mean() == max(accuracy)


def test_a_threshold_lies_between_the_scores_it_parts():
    assert find_threshold([0.1, 0.2, 0.8, 0.9], np.array([False, False, True, True])) == pytest.approx(0.5)
    assert find_threshold([0.9, 0.8, 0.2, 0.1], np.array([False, False, True, True])) == np.inf
    close = np.nextafter(0.5, 1)
    assert find_threshold([0.5, close], np.array([False, True])) == close


def test_thresholds_come_from_the_other_folds():
    """A fold whose scores are shifted is judged by the others' threshold: its own would decide it without a fault."""
    scores, same, fold = sampled(apart=9)
    assert fold_accuracy(scores, same, fold).mean == 1
    shifted = np.where(fold == 3, scores + 100, scores)
    result = fold_accuracy(shifted, same, fold)
    assert result.accuracies[3] == 0.5
    assert (np.delete(result.accuracies, 3) == 1).all()


def test_accuracy_and_its_standard_error_by_hand():
    scores, same, fold = sampled()
    result = fold_accuracy(scores, same, fold)
    own = []
    for k in range(10):
        grid = np.unique(scores[fold != k])
        right = [((scores[fold != k] >= t) == same[fold != k]).mean() for t in grid]
        low = max(t for t, r in zip(grid, right, strict=True) if r == max(right))
        high = min(t for t, r in zip(grid, right, strict=True) if r == max(right))
        bounds = [((scores[fold == k] >= t) == same[fold == k]).mean() for t in (low, high)]
        assert min(bounds) - 0.05 <= result.accuracies[k] <= max(bounds) + 0.05
        own.append(((scores[fold == k] >= result.thresholds[k]) == same[fold == k]).mean())
    np.testing.assert_allclose(result.accuracies, own)
    assert result.mean == pytest.approx(np.mean(own))
    assert result.se == pytest.approx(np.std(own, ddof=1) / np.sqrt(10))
    assert result.se > 1.05 * np.std(own, ddof=0) / np.sqrt(10)


def test_pairs_lost_to_detection_keep_their_place():
    """Dropped, they would move every later pair into another fold of contiguous blocks."""
    scores, same, fold = sampled(apart=9)
    lost = scores.copy()
    places = np.flatnonzero(same & (fold == 0))[:6]
    lost[places] = -np.inf
    result = fold_accuracy(lost, same, fold)
    assert result.failures == 6
    assert result.accuracies[0] == pytest.approx(1 - 6 / 60)
    assert (result.accuracies[1:] == 1).all()
    assert not result.right[places].any()
    unlike = scores.copy()
    unlike[np.flatnonzero(~same & (fold == 0))[:6]] = -np.inf
    assert fold_accuracy(unlike, same, fold).mean == 1, 'a failure is decided "different"'


def test_even_a_threshold_of_minus_infinity_accepts_no_lost_pair():
    assert decide_same([-np.inf, 0.1], -np.inf).tolist() == [False, True]


def test_folds_of_unequal_size():
    scores, same, fold = sampled(apart=9)
    keep = np.arange(len(scores)) >= 17
    result = fold_accuracy(scores[keep], same[keep], fold[keep])
    assert result.mean == 1
    assert result.right.shape == (583,)


def test_thresholds_of_clean_photos_decide_protected_ones():
    scores, same, fold = sampled(apart=9)
    clean = fold_accuracy(scores, same, fold)
    protected = np.where(same, scores - 9, scores)
    again = fold_accuracy(protected, same, fold, clean.thresholds)
    np.testing.assert_array_equal(again.thresholds, clean.thresholds)
    assert again.mean == pytest.approx(0.5, abs=0.01)
    assert fold_accuracy(scores, same, fold, clean.thresholds).mean == clean.mean
    with pytest.raises(UsageError, match="3 thresholds for 10 folds"):
        fold_accuracy(scores, same, fold, clean.thresholds[:3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fold: fold * 0, "at least two folds"),
        (lambda fold: fold * 2, "none may be empty"),
        (lambda fold: fold - 1, "one number from 0"),
        (lambda fold: fold[1:], r"folds \(599,\) for 600 pairs"),
    ],
)
def test_folds_that_are_none(change, words):
    scores, same, fold = sampled()
    with pytest.raises(UsageError, match=words):
        fold_accuracy(scores, same, change(fold))


# ---- the features that the scripts got wrong


def network(images):
    """Not symmetric under mirroring: the mean of each column's red."""
    return images[:, 0].mean(1)


@pytest.mark.parametrize("count", [1, 3, 64, 65])
def test_sets_smaller_than_a_batch_or_not_a_multiple(count):
    crops = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    raw = embed_pairs(crops, network)
    assert raw.shape == (count, 2, 8)
    torch.testing.assert_close(raw[:, 0], network(crops))
    torch.testing.assert_close(raw[:, 1], network(crops).flip(1))


def test_bytes_are_read_as_levels_of_255():
    crops = torch.randint(256, (5, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(embed_pairs(crops, network), embed_pairs(crops.float() / 255, network))


def test_flips_are_summed_and_then_normalised():
    raw = torch.randn(50, 2, 16, generator=torch.Generator().manual_seed(0))
    features = combine(raw)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(50))
    torch.testing.assert_close(features, functional.normalize(raw[:, 0] + raw[:, 1], dim=1))
    torch.testing.assert_close(combine(raw, flip=False), functional.normalize(raw[:, 0], dim=1))
    torch.testing.assert_close(combine(raw, unit=False), (raw[:, 0] + raw[:, 1]) / 2)
    torch.testing.assert_close(combine(raw, flip=False, unit=False), raw[:, 0])
    laid_end_to_end = torch.cat([functional.normalize(raw[:, side], dim=1) for side in (0, 1)], 1)
    assert float(torch.cdist(laid_end_to_end, laid_end_to_end).square().max()) > 4.5
    assert float(torch.cdist(features, features).square().max()) <= 4 + 1e-5
