"""Intervals that resample people: each replicate against repeating pairs by hand, and what sharing people does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.evaluation.bootstrap import bootstrap_intervals, draw_weights


def sampled(people=12, each=3, seed=0):
    """All pairs of ``people`` × ``each`` photos around people's own means: (scores, same, people (P, 2))."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    places = rng.normal(size=(people, 4))[who] + 0.7 * rng.normal(size=(len(who), 4))
    a, b = np.triu_indices(len(who), 1)
    scores = np.round(-np.linalg.norm(places[a] - places[b], axis=1), 1)
    return scores, who[a] == who[b], np.stack([who[a], who[b]], 1)


def test_weights_are_the_times_that_people_were_drawn():
    people = np.array([[0, 0], [1, 1], [2, 2], [0, 1], [1, 2], [0, 2]])
    weights = draw_weights(people, 500, generator(0))
    single = weights[:, :3]
    assert (single.sum(1) == 3).all()
    np.testing.assert_array_equal(weights[:, 3], single[:, 0] * single[:, 1])
    np.testing.assert_array_equal(weights[:, 5], single[:, 0] * single[:, 2])
    assert np.abs(single.mean(0) - 1).max() < 0.15


def test_every_replicate_is_what_repeated_pairs_would_give():
    scores, same, people = sampled()
    right = (scores >= -2.0) == same
    got = bootstrap_intervals(scores, same, people, right, targets=[0.1], replicates=200, rng=generator(1))
    weights = draw_weights(people, 200, generator(1)).astype(int)
    # drawn for pairs in falling order of score; the weights of a pair do not depend on its place
    expected = {"auc": [], "eer": [], "accuracy": [], "0.1": []}
    for row in weights:
        s, y, ok = (np.repeat(values, row) for values in (scores, same, right))
        expected["auc"].append(roc_auc_score(y, s))
        fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
        t = np.linspace(0, 1, 20001)
        steps = np.linspace(0, 1, len(fpr))
        gap = np.abs(np.interp(t, steps, fpr) + np.interp(t, steps, tpr) - 1)
        expected["eer"].append(np.interp(t[gap.argmin()], steps, fpr))
        expected["accuracy"].append(same.mean() * ok[y].mean() + (1 - same.mean()) * ok[~y].mean())
        expected["0.1"].append(tpr[fpr <= 0.1 + 1e-12].max())
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], np.percentile(values, [2.5, 97.5]), atol=1e-3, err_msg=name)


def test_pairs_without_a_score_tie_at_the_bottom():
    scores, same, people = sampled()
    lost = np.where(np.arange(len(scores)) % 9 == 0, -np.inf, scores)
    floor = np.where(np.isneginf(lost), scores.min() - 1, lost)
    one, other = (bootstrap_intervals(s, same, people, same, targets=[0.1], rng=generator(0)) for s in (lost, floor))
    assert one == other


def test_a_seed_gives_the_same_interval_and_another_seed_nearly():
    scores, same, people = sampled()
    one, again, other = (
        bootstrap_intervals(scores, same, people, same, rng=generator(seed))["auc"] for seed in (0, 0, 1)
    )
    assert one == again != other
    assert np.abs(np.subtract(one, other)).max() < 0.03


def test_pairs_that_share_people_say_less_than_their_number():
    """The same pairs, taken to be of other people each, give an interval that is far too narrow."""
    scores, same, people = sampled(20, 4)
    first = 2 * np.arange(len(people))
    own = np.stack([first, first + ~same], 1)
    shared, apart = (
        np.ptp(bootstrap_intervals(scores, same, who, same, replicates=400, rng=generator(0))["auc"])
        for who in (people, own)
    )
    assert shared > 2 * apart


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    truth = np.mean([roc_auc_score(*sampled(30, 3, seed)[1::-1]) for seed in range(200, 260)])
    hits = 0
    for seed in range(60):
        scores, same, people = sampled(30, 3, seed)
        low, high = bootstrap_intervals(scores, same, people, same, replicates=150, rng=generator(seed))["auc"]
        hits += low <= truth <= high
    assert hits >= 50


def test_too_few_people_and_wrong_shapes():
    scores, same = np.array([0.1, 0.9, 0.8]), np.array([False, True, True])
    people = np.array([[0, 1], [0, 0], [1, 1]])
    with pytest.raises(UsageError, match="2 people are too few to resample"):
        bootstrap_intervals(scores, same, people, same, rng=generator(3), replicates=50)
    with pytest.raises(UsageError, match="who stands left and right"):
        bootstrap_intervals(scores, same, people[:2], same, rng=generator(0))
