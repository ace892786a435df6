"""Face verification by a protocol: pairs scored, folds decided, the ROC read, intervals over people (paper §4.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.data.pairs import PairSet
from faceshield.evaluation.bootstrap import bootstrap_intervals
from faceshield.evaluation.folds import FoldAccuracy, fold_accuracy
from faceshield.evaluation.roc import Interval, OperatingPoint, Roc, Scores, roc

Measure = Literal["cosine", "distance"]
TARGETS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class Verification:
    """The outcome of one verification protocol.

    Attributes:
        pairs: The pairs that were scored.
        scores: (P,) of the pairs.
        roc: Their curve.
        folds: Accuracy by folds.
        points: TAR at each FAR that the pairs resolve.
        refused: For each other FAR, why it is not resolved.
        people_ci: Intervals over people, by the names of :func:`bootstrap_intervals`; empty where ids name no person.
    """

    pairs: PairSet
    scores: Scores
    roc: Roc
    folds: FoldAccuracy
    points: Mapping[float, OperatingPoint]
    refused: Mapping[float, str]
    people_ci: Mapping[str, Interval]

    def metrics(self) -> dict[str, Any]:
        """The stored-result form: rates in 0–1, intervals as ``<name>_ci``; a refused rate is None beside its reason.

        ``accuracy_se`` is over folds; ``far_*_ci`` is Clopper–Pearson, all others resample people.
        """
        values: dict[str, Any] = {
            "pairs": len(self.pairs),
            "failures_to_enrol": self.folds.failures,
            "auc": self.roc.auc,
            "eer": self.roc.eer,
            "accuracy_mean": self.folds.mean,
            "accuracy_se": self.folds.se,
            "fold_accuracy": self.folds.accuracies.tolist(),
            "fold_thresholds": [value if math.isfinite(value) else None for value in self.folds.thresholds.tolist()],
        }
        for name, interval in self.people_ci.items():
            key = {"auc": "auc", "eer": "eer", "accuracy": "accuracy_mean"}.get(name)
            values[f"{key or f'tar_at_far_{format_far(float(name))}'}_ci"] = list(interval)
        for target, point in self.points.items():
            word = format_far(target)
            values[f"tar_at_far_{word}"] = point.tar
            values[f"threshold_at_far_{word}"] = point.threshold if math.isfinite(point.threshold) else None
            values[f"far_{word}"] = point.far
            values[f"far_{word}_ci"] = list(point.far_ci)
        for target, reason in self.refused.items():
            values[f"tar_at_far_{format_far(target)}"] = None
            values[f"tar_at_far_{format_far(target)}_refused"] = reason
        return values


def format_far(target: float) -> str:
    """0.001 as ``1e-3``, the form in metric names."""
    mantissa, _, exponent = f"{target:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def score_pairs(
    features: Tensor, found: NDArray[np.bool_], ids: Sequence[str], pairs: PairSet, measure: Measure
) -> Scores:
    """(P,) float64: cosine similarity, or minus the Euclidean distance, of each pair; higher is more similar.

    features (n, D) of the photos ``ids``; found (n,) False where a photo could not be enrolled: its pairs get −∞. The
    paper's §4.5 takes pairs *below* a cosine threshold for one person; it is those above. Raises UsageError for pairs
    of photos that are not among ``ids``.
    """
    place = {id: number for number, id in enumerate(ids)}
    absent = [id for id in pairs.ids() if id not in place]
    if absent:
        raise UsageError(f"{len(absent)} photos of the pairs were not embedded, first {absent[0]!r}; embed them too")
    left, right = (np.array([place[id] for id in side]) for side in (pairs.left, pairs.right))
    a, b = features.double().numpy()[left], features.double().numpy()[right]
    if measure == "distance":
        scores = -np.linalg.norm(a - b, axis=1)
    else:
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        scores = (a * b).sum(1) / np.where(lengths > 0, lengths, 1)
    return np.where(found[left] & found[right], scores, -np.inf)


def verify_pairs(
    scores: Scores,
    pairs: PairSet,
    *,
    targets: Sequence[float] = TARGETS,
    thresholds: ArrayLike | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Verification:
    """Everything that is reported about ``scores`` (P,) of ``pairs``.

    ``thresholds`` (K,), one a fold, decides by those found on other photos (clean ones) in place of the other folds'
    best. Raises UsageError as :func:`faceshield.evaluation.roc.roc` and :func:`fold_accuracy` do.
    """
    curve = roc(scores, pairs.same)
    folds = fold_accuracy(scores, pairs.same, pairs.fold, thresholds)
    points: dict[float, OperatingPoint] = {}
    refused: dict[float, str] = {}
    for target in targets:
        try:
            points[target] = curve.tar_at_far(target)
        except UsageError as error:
            refused[target] = str(error)
    try:
        people = pairs.people()[1]
    except UsageError:  # a pack of bare pictures: the rates stand, their intervals over people cannot be had
        return Verification(pairs, scores, curve, folds, points, refused, {})
    rng = generator(seed, "bootstrap")
    people_ci = bootstrap_intervals(
        scores, pairs.same, people, folds.right, targets=list(points), replicates=replicates, rng=rng
    )
    return Verification(pairs, scores, curve, folds, points, refused, people_ci)
