"""Intervals that resample people, not pairs: pairs that share a person are not independent.

One replicate draws as many people as there are, with replacement (the vertex bootstrap of Snijders and Borgatti, 1999).
A person drawn k times counts k-fold: a pair of theirs alone has the weight k, a pair of two people the product k·l.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator

from faceshield.core.errors import UsageError
from faceshield.evaluation.roc import Interval, validate

_AT_ONCE = 2_000_000  # weights held at a time


def draw_weights(people: NDArray[np.int64], replicates: int, rng: Generator) -> NDArray[np.float64]:
    """(replicates, P): how often each pair counts. people (P, 2) int64: who stands left and right, from 0."""
    count = int(people.max()) + 1
    draws = torch.randint(count, (replicates, count), generator=rng)
    times = torch.zeros(replicates, count).scatter_add_(1, draws, torch.ones(draws.shape)).double().numpy()
    left, right = people.T
    return np.asarray(times[:, left] * np.where(left == right, 1.0, times[:, right]))


def bootstrap_intervals(
    scores: ArrayLike,
    same: ArrayLike,
    people: NDArray[np.int64],
    right: NDArray[np.bool_],
    *,
    targets: Sequence[float] = (),
    replicates: int = 1000,
    rng: Generator,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of "auc", "eer", "accuracy", and "tar_at_far" of each target under ``str(target)``.

    scores, same (P,) as for :func:`faceshield.evaluation.roc.roc`; right (P,) bool: the decisions whose accuracy is
    meant, their thresholds taken as given; same and different pairs keep their shares in it. A replicate in which one
    kind of pair is missing is left out. Raises UsageError where that is more than half of them.
    """
    values, labels = validate(scores, same)
    if people.shape != (len(values), 2):
        raise UsageError(f"people {people.shape} for {len(values)} pairs: expected who stands left and right of each")
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    parts, chunk = [], max(1, _AT_ONCE // len(values))
    for start in range(0, replicates, chunk):
        weights = draw_weights(people[order], min(chunk, replicates - start), rng)
        parts.append(_compute_statistics(weights, labels[order], right[order], last, targets))
    drawn = np.concatenate(parts, axis=1)
    drawn = drawn[:, np.isfinite(drawn).all(0)]
    if drawn.shape[1] < replicates / 2:
        raise UsageError(f"{int(people.max()) + 1} people are too few to resample; give pairs of more people")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=1)
    names = ["auc", "eer", "accuracy", *map(str, targets)]
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


def _compute_statistics(
    weights: NDArray[np.float64],
    same: NDArray[np.bool_],
    right: NDArray[np.bool_],
    last: NDArray[np.int64],
    targets: Sequence[float],
) -> NDArray[np.float64]:
    """(3 + targets, replicates), NaN where a replicate lacks a kind. Pairs in falling order of score; ``last`` (M,)
    are the ends of runs of equal scores."""
    true_weights, false_weights = weights * same, weights * ~same
    positives, negatives = true_weights.sum(1, keepdims=True), false_weights.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN marks a replicate without one of the kinds
        tpr = np.cumsum(true_weights, axis=1)[:, last] / positives
        fpr = np.cumsum(false_weights, axis=1)[:, last] / negatives
        hits, passes = (true_weights @ right) / positives[:, 0], (false_weights @ right) / negatives[:, 0]
    tpr, fpr = (np.pad(rate, ((0, 0), (1, 0))) for rate in (tpr, fpr))
    auc = (np.diff(fpr, axis=1) * (tpr[:, 1:] + tpr[:, :-1])).sum(1) / 2
    gap = fpr - (1 - tpr)
    after = np.argmax(gap >= -1e-12, axis=1).clip(1)  # rates here are rounded sums; the last gap is 1 up to rounding
    row = np.arange(len(gap))
    step = gap[row, after] - gap[row, after - 1]
    share = np.where(step > 0, -gap[row, after - 1] / np.where(step > 0, step, 1), 0)
    eer = fpr[row, after - 1] + share * (fpr[row, after] - fpr[row, after - 1])
    accuracy = same.mean() * hits + (1 - same.mean()) * passes
    tars = [tpr[row, (fpr <= target * (1 + 1e-9)).sum(1).clip(1) - 1] for target in targets]
    return np.stack([auc, eer, accuracy, *tars])
