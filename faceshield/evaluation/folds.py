"""LFW's protocol (Huang et al., 2008): each fold is decided by the threshold that suits the other nine best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceshield.core.errors import UsageError
from faceshield.evaluation.roc import Scores, roc, validate


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by folds.

    Attributes:
        accuracies: (K,) of the folds, 0–1.
        thresholds: (K,) that decided them.
        right: (P,) bool, the pairs that were decided correctly.
        failures: Pairs with a photo that could not be enrolled; they are decided "different" and count.
    """

    accuracies: Scores
    thresholds: Scores
    right: NDArray[np.bool_]
    failures: int

    @property
    def mean(self) -> float:
        """Mean accuracy over the folds."""
        return float(self.accuracies.mean())

    @property
    def se(self) -> float:
        """Standard error of the mean: the sample deviation (ddof 1) divided by the root of the number of folds."""
        return float(self.accuracies.std(ddof=1)) / math.sqrt(len(self.accuracies))


def refuse_folds(same: ArrayLike, fold: ArrayLike) -> NDArray[np.int64]:
    """(K,): how many pairs each fold has. Raises UsageError for fewer than two folds, an empty one, and where ``same``
    (P,) pairs, or those of different people, are lacking.
    """
    sizes = np.bincount(np.asarray(fold, np.int64))
    if len(sizes) < 2 or not sizes.all():
        raise UsageError(f"folds have {sizes.tolist()} pairs; at least two folds are needed, and none may be empty")
    labels = np.asarray(same, np.bool_)
    if labels.all() or not labels.any():
        raise UsageError(f"all {len(labels)} pairs are of one kind; a list needs pairs of one person and of two")
    return sizes


def fold_accuracy(
    scores: ArrayLike, same: ArrayLike, fold: ArrayLike, thresholds: ArrayLike | None = None
) -> FoldAccuracy:
    """Accuracy of each fold. scores, same, fold (P,); fold counts from 0 and may be of unequal sizes.

    A pair with a photo without a face has the score −∞: it keeps its place in its fold and is decided "different".
    ``thresholds`` (K,) decides by thresholds found before, such as those of clean photos on protected ones; else each
    fold's is :func:`find_threshold` of the others. Raises UsageError for fewer than two folds, for an empty fold, and
    for scores that :func:`faceshield.evaluation.roc.roc` refuses.
    """
    values, labels = validate(scores, same)
    place = np.asarray(fold, np.int64)
    if place.shape != values.shape or place.min(initial=0) < 0:
        raise UsageError(f"folds {place.shape} for {len(values)} pairs: expected one number from 0 for each")
    sizes = refuse_folds(labels, place)
    if thresholds is None:
        chosen = np.array([find_threshold(values[place != k], labels[place != k]) for k in range(len(sizes))])
    else:
        chosen = np.asarray(thresholds, np.float64)
        if chosen.shape != sizes.shape:
            raise UsageError(f"{chosen.size} thresholds for {len(sizes)} folds; they must come from the same protocol")
    right = decide_same(values, chosen[place]) == labels
    accuracies = np.bincount(place, right) / sizes
    return FoldAccuracy(accuracies, chosen, right, int(np.isneginf(values).sum()))


def decide_same(scores: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """(P,) bool: score ≥ threshold, and never where there is no score (−∞)."""
    values = np.asarray(scores, np.float64)
    return np.asarray((values >= np.asarray(threshold, np.float64)) & np.isfinite(values))


def find_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """The threshold that decides most pairs rightly, of all there are and not of a grid; +∞ accepts nothing.

    Halfway between the scores on its two sides; of several equally good ones the one in the middle of their order.
    """
    curve = roc(scores, same)
    candidates = np.flatnonzero(np.isfinite(curve.thresholds) | (np.arange(len(curve.thresholds)) == 0))
    correct = (curve.true_accepts - curve.false_accepts)[candidates]
    best = candidates[correct == correct.max()]
    index = int(best[(len(best) - 1) // 2])
    above = float(curve.thresholds[index])
    below = float(curve.thresholds[index + 1]) if index + 1 < len(curve.thresholds) else -math.inf
    if not (math.isfinite(above) and math.isfinite(below)):
        return above
    halfway = below + (above - below) / 2
    return halfway if halfway > below else above
