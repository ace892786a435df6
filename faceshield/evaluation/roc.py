"""The exact ROC of verification scores, and what is read off it: AUC, EER, TAR at a FAR that the pairs can resolve.

A score is higher for more similar pairs; a pair is accepted where its score ≥ threshold. Equal scores are one
threshold. A pair whose photo could not be enrolled has the score −∞: no finite threshold accepts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from faceshield.core.errors import UsageError

Interval = tuple[float, float]
Scores = NDArray[np.float64]

RESOLVED = 3
"""False accepts to be expected at a FAR before it is reported: with fewer, seeing none at all would have a probability
above exp(−3) = 5 %, so that the rate could not be told from zero (the rule of three)."""


@dataclass(frozen=True)
class OperatingPoint:
    """What was measured at one threshold; rates in 0–1, intervals of 95 % by Clopper and Pearson.

    Attributes:
        threshold: A pair is accepted where its score reaches this.
        far: False accept rate; the false match rate (FMR) where every photo was enrolled.
        far_ci: Its interval.
        tar: True accept rate; 1 − false non-match rate (FNMR) where every photo was enrolled.
        tar_ci: Its interval.
    """

    threshold: float
    far: float
    far_ci: Interval
    tar: float
    tar_ci: Interval


@dataclass(frozen=True)
class Roc:
    """A receiver operating characteristic; between its points the curve is straight.

    Attributes:
        thresholds: (M,) descending from +∞.
        false_accepts: (M,) int64 pairs of different people accepted at each, from 0 to all.
        true_accepts: (M,) int64 pairs of one person accepted at each, from 0 to all.
    """

    thresholds: Scores
    false_accepts: NDArray[np.int64]
    true_accepts: NDArray[np.int64]

    @property
    def negatives(self) -> int:
        """How many pairs show different people."""
        return int(self.false_accepts[-1])

    @property
    def positives(self) -> int:
        """How many pairs show one person."""
        return int(self.true_accepts[-1])

    @property
    def fpr(self) -> Scores:
        """(M,) false accept rate (false match rate) at each threshold."""
        return np.asarray(self.false_accepts / self.negatives)

    @property
    def tpr(self) -> Scores:
        """(M,) true accept rate at each threshold."""
        return np.asarray(self.true_accepts / self.positives)

    @property
    def fnmr(self) -> Scores:
        """(M,) false non-match rate; against :attr:`fpr` it is the DET curve."""
        return np.asarray((self.positives - self.true_accepts) / self.positives)

    @property
    def auc(self) -> float:
        """Area under the curve: the share of (same, different) pairs of pairs in the right order, ties counted half."""
        twice = int(np.dot(np.diff(self.false_accepts), self.true_accepts[1:] + self.true_accepts[:-1]))
        return twice / (2 * self.negatives * self.positives)

    @property
    def eer(self) -> float:
        """The rate at which false accepts equal false rejects, on the straight line between neighbouring points."""
        gap = self.fpr - self.fnmr
        after = int(np.argmax(gap >= 0))
        share = gap[after - 1] / (gap[after - 1] - gap[after])
        return float(self.fpr[after - 1] + share * (self.fpr[after] - self.fpr[after - 1]))

    def tar_at_far(self, target: float) -> OperatingPoint:
        """The largest TAR whose FAR does not exceed ``target`` (in 0–1), at the highest threshold that reaches it.

        Raises UsageError for a target outside (0, 1), and below RESOLVED expected false accepts.
        """
        if not 0 < target < 1:
            raise UsageError(f"FAR {target} must be above 0 and below 1, for example 0.01")
        if target * self.negatives < RESOLVED * (1 - 1e-9):
            least = RESOLVED / self.negatives
            digit = 10.0 ** math.floor(math.log10(least))
            raise UsageError(
                f"FAR {target:g} cannot be resolved by {self.negatives} pairs of different people"
                f" ({target * self.negatives:.2g} false accepts expected, at least {RESOLVED} needed);"
                f" use {math.ceil(least / digit - 1e-9) * digit:g} or more, or more pairs"
            )
        allowed = int(target * self.negatives * (1 + 1e-12))  # 0.29 × 100 is 28.999…
        most = self.true_accepts[np.searchsorted(self.false_accepts, allowed, side="right") - 1]
        index = int(np.searchsorted(self.true_accepts, most))
        return self._point(index, float(self.thresholds[index]))

    def at(self, threshold: float) -> OperatingPoint:
        """The rates at a threshold that was found on other pairs (for example clean photos' on protected ones)."""
        return self._point(int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1, threshold)

    def _point(self, index: int, threshold: float) -> OperatingPoint:
        accepted, negatives = int(self.false_accepts[index]), self.negatives
        kept, positives = int(self.true_accepts[index]), self.positives
        return OperatingPoint(
            threshold,
            accepted / negatives,
            clopper_pearson(accepted, negatives),
            kept / positives,
            clopper_pearson(kept, positives),
        )


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """The curve through every distinct score. scores (P,) · same (P,) bool, or 0 and 1.

    Raises UsageError for NaN or +∞, for scores that are all equal, and where one of the two kinds of pairs is missing.
    """
    values, labels = validate(scores, same)
    order = np.argsort(-values, kind="stable")
    values, labels = values[order], labels[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    true = np.cumsum(labels, dtype=np.int64)[last]
    return Roc(
        np.concatenate([[np.inf], values[last]]),
        np.concatenate([[0], last + 1 - true]).astype(np.int64),
        np.concatenate([[0], true]),
    )


def validate(scores: ArrayLike, same: ArrayLike) -> tuple[Scores, NDArray[np.bool_]]:
    """Both as arrays (P,). Raises UsageError where no curve can be drawn through them (see :func:`roc`)."""
    values, labels = np.asarray(scores, np.float64), np.asarray(same)
    if labels.dtype != np.bool_ and np.isin(labels, (0, 1)).all():
        labels = labels.astype(np.bool_)
    if values.ndim != 1 or values.shape != labels.shape or labels.dtype != np.bool_:
        raise UsageError(
            f"scores {values.shape} and same {labels.shape} of {labels.dtype}: expected one number and one bool"
            " (or 0 and 1) a pair"
        )
    wrong = int(np.count_nonzero(np.isnan(values) | np.isposinf(values)))
    if wrong:
        raise UsageError(f"{wrong} of {len(values)} scores are NaN or +inf; the embeddings are broken, make them again")
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        kind = "one person" if positives == 0 else "different people"
        raise UsageError(f"none of the {len(labels)} pairs shows {kind}; a ROC needs both kinds")
    known: NDArray[Any] = values[np.isfinite(values)]
    if not known.size or known.min() == known.max():
        raise UsageError(
            f"all {known.size} scores are equal; the recogniser tells nobody apart"
            if known.size
            else f"none of the {len(values)} pairs has a score; no face was found in any of their photos"
        )
    return values, labels


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact binomial interval of a rate (Clopper and Pearson, 1934), as if the trials shared no people."""
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high
