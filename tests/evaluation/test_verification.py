"""A protocol from features to figures, the stored form of its metrics, and the threshold that a decision rests on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import read_json, write_json
from faceshield.data.pairs import PairSet, sample_pairs
from faceshield.evaluation.calibration import KEY, read_calibration
from faceshield.evaluation.folds import fold_accuracy
from faceshield.evaluation.verification import format_far, score_pairs, verify_pairs
from faceshield.models import weights


@pytest.fixture(scope="module")
def protocol():
    """(features, ids, pairs): 40 people of 5 photos around their own directions."""
    rng = np.random.default_rng(0)
    ids = [f"p{person:02d}/{photo}" for person in range(40) for photo in range(5)]
    features = rng.normal(size=(40, 8)).repeat(5, 0) + 0.8 * rng.normal(size=(200, 8))
    pairs = sample_pairs(ids, [id[:3] for id in ids], same=200, different=400, folds=10)
    return torch.from_numpy(features).float(), ids, pairs


def test_scores_are_the_similarity_of_the_photos_named(protocol):
    features, ids, pairs = protocol
    found = np.ones(len(ids), np.bool_)
    cosine = score_pairs(features, found, ids, pairs, "cosine")
    distance = score_pairs(features, found, ids, pairs, "distance")
    for number in (0, 7, 599):
        a, b = (features[ids.index(side[number])].double() for side in (pairs.left, pairs.right))
        assert cosine[number] == pytest.approx(float(a @ b / a.norm() / b.norm()))
        assert distance[number] == pytest.approx(-float((a - b).norm()))
    assert cosine[pairs.same].mean() > cosine[~pairs.same].mean() + 0.3, "one person is above a threshold, not below"
    order = np.random.default_rng(1).permutation(len(ids))
    again = score_pairs(features[torch.from_numpy(order)], found, [ids[i] for i in order], pairs, "cosine")
    np.testing.assert_array_equal(again, cosine)


def test_photos_without_a_face_and_photos_that_are_not_there(protocol):
    features, ids, pairs = protocol
    found = np.ones(len(ids), np.bool_)
    found[3] = False
    scores = score_pairs(features, found, ids, pairs, "distance")
    lost = np.array([ids[3] in ends for ends in zip(pairs.left, pairs.right, strict=True)])
    assert lost.any()
    np.testing.assert_array_equal(np.isneginf(scores), lost)
    result = verify_pairs(scores, pairs, replicates=50)
    assert result.folds.failures == lost.sum() == result.metrics()["failures_to_enrol"]
    assert len(result.pairs) == 600
    with pytest.raises(UsageError, match=r"1 photos of the pairs were not embedded, first 'p00/3'"):
        score_pairs(features[1:], found[1:], ids[:3] + ids[4:], pairs, "cosine")


def test_the_metrics_are_those_of_the_parts_and_can_be_stored(protocol):
    features, ids, pairs = protocol
    scores = score_pairs(features, np.ones(len(ids), np.bool_), ids, pairs, "cosine")
    result = verify_pairs(scores, pairs, replicates=100, seed=3)
    metrics = result.metrics()
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["auc"] == pytest.approx(roc_auc_score(pairs.same, scores))
    assert metrics["accuracy_mean"] == fold_accuracy(scores, pairs.same, pairs.fold).mean
    for name in ("auc", "eer", "accuracy_mean", "tar_at_far_1e-1", "tar_at_far_1e-2"):
        low, high = metrics[f"{name}_ci"]
        assert low <= metrics[name] <= high
    assert metrics["tar_at_far_1e-3"] is None
    assert "cannot be resolved by 400 pairs" in metrics["tar_at_far_1e-3_refused"]
    assert "threshold_at_far_1e-3" not in metrics
    assert verify_pairs(scores, pairs, replicates=100, seed=3).metrics() == metrics
    assert verify_pairs(scores, pairs, replicates=100, seed=4).metrics()["auc_ci"] != metrics["auc_ci"]


def test_pictures_of_nobody_known_have_rates_but_no_intervals_over_people(protocol):
    features, ids, pairs = protocol
    number = {id: f"{i:06d}" for i, id in enumerate(ids)}
    bare = PairSet(
        tuple(number[id] for id in pairs.left), tuple(number[id] for id in pairs.right), pairs.same, pairs.fold
    )
    scores = score_pairs(features, np.ones(len(ids), np.bool_), list(number.values()), bare, "cosine")
    metrics = verify_pairs(scores, bare).metrics()
    assert "auc" in metrics
    assert not [name for name in metrics if name.endswith("_ci") and not name.startswith("far_")]


@pytest.mark.parametrize(
    ("target", "word"),
    [(0.1, "1e-1"), (0.01, "1e-2"), (0.001, "1e-3"), (1e-6, "1e-6"), (0.05, "5e-2"), (0.25, "2.5e-1")],
)
def test_rates_in_names(target, word):
    assert format_far(target) == word
    assert float(word) == pytest.approx(target)


# ---- the threshold of a single decision


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "lfw.mini.json"
    metrics = {
        "recogniser": "abc",
        "threshold_at_far_1e-2": -0.6,
        "far_1e-2": 0.009,
        "far_1e-2_ci": [0.006, 0.013],
        "tar_at_far_1e-2": 0.99,
        "tar_at_far_1e-3": None,
        "tar_at_far_1e-3_refused": "too few",
    }
    value = {"recipe": "faces/lfw", "scale": "mini", "cells": [{"key": KEY, "metrics": metrics}]}
    write_json(path, value)
    return path, value


def test_a_threshold_is_what_was_measured(stored):
    limit = read_calibration(stored[0], 0.01, "abc")
    assert (limit.distance, limit.far, limit.far_ci, limit.tar) == (0.6, 0.009, (0.006, 0.013), 0.99)
    assert limit.recipe == "faces/lfw, mini"


def test_what_was_not_measured_is_refused(stored, tmp_path):
    path, value = stored
    with pytest.raises(UsageError, match="no threshold for FAR 1e-3: too few"):
        read_calibration(path, 0.001, "abc")
    with pytest.raises(UsageError, match="no threshold for FAR 5e-2: it was measured at 1e-2"):
        read_calibration(path, 0.05, "abc")
    with pytest.raises(StoreError, match="was measured with other weights"):
        read_calibration(path, 0.01, "xyz")
    with pytest.raises(StoreError, match="no such result; make it by"):
        read_calibration(tmp_path / "none.json", 0.01, "abc")
    for broken in ({}, [], {**value, "cells": []}, {**value, "cells": [{"key": KEY, "metrics": {}}]}):
        write_json(path, broken)
        with pytest.raises(StoreError, match="is no result of faces/lfw"):
            read_calibration(path, 0.01, "abc")


def test_the_shipped_threshold_is_the_recipes_result(root):
    """Run the recipe again, and copy its result into weights/."""
    shipped, result = root / "weights/lfw.mini.json", root / "recipes/results/faces/lfw.mini.json"
    assert shipped.read_bytes() == result.read_bytes()
    limit = read_calibration(shipped, 0.01, weights.read_registry()["dlib_face_resnet29"].sha256)
    assert 0.55 < limit.distance < 0.65, "the author's own threshold is 0.6"
    assert limit.far <= 0.01


def test_the_protocol_reproduces_the_published_figure(root):
    result = read_json(root / "recipes/results/faces/lfw.mini.json")
    metrics = next(cell["metrics"] for cell in result["cells"] if cell["key"] == {"model": "resnet29", **KEY})
    assert metrics["pairs"] == 6000
    assert metrics["accuracy_mean"] >= 0.99
    low, high = metrics["accuracy_mean_ci"]
    assert low <= 0.9938 <= high
