"""The exact ROC over every pair of two sets of embeddings, 10⁸ pairs and more, in the scores' memory and little more.

Scores are computed block by block into one float32 array; those of same pairs, few among them, are taken out, and the
rest is sorted in place. AUC, EER and TAR at any FAR need no other point of the curve than where a same pair has its
score: between two such points only different pairs are accepted, and the curve runs straight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import UsageError
from faceshield.evaluation.roc import Roc

F32 = NDArray[np.float32]
_BLOCK = 1 << 22  # scores computed at a time


def all_pairs_roc(left: F32, left_people: NDArray[np.int64], right: F32, right_people: NDArray[np.int64]) -> Roc:
    """The ROC of all len(left) × len(right) cosine similarities (float32). Embeddings (n, D) need no unit length.

    ``*_people`` (n,) are int64 labels, equal for one person; a photo must not stand on both sides. The curve holds
    the points at the scores of same pairs and just above them; its AUC, EER and TAR at a FAR are those of the whole
    curve. Takes 4 bytes a pair, plus the embeddings. Raises UsageError as :func:`split_roc`, and for shapes that do not
    fit.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise UsageError(f"embeddings {left.shape} and {right.shape}: expected (n, D) and (m, D) of one D")
    if left_people.shape != left.shape[:1] or right_people.shape != right.shape[:1]:
        raise UsageError(f"{left_people.shape} and {right_people.shape} labels for {len(left)} and {len(right)} photos")
    scores = np.empty(len(left) * len(right), np.float32)
    genuine = fill_scores(scores, _normalise(left), left_people, _normalise(right), right_people)
    return split_roc(genuine, scores)


def fill_scores(
    scores: F32, left: F32, left_people: NDArray[np.int64], right: F32, right_people: NDArray[np.int64]
) -> F32:
    """Write the dot products (n, m) of ``left`` and ``right`` into ``scores`` (n·m,), +∞ in place of same pairs.

    Returns the scores of the same pairs, which is what was left out.
    """
    columns, taken = len(right), []
    transposed = np.ascontiguousarray(right.T)
    for start in range(0, len(left), rows := max(1, _BLOCK // max(1, columns))):
        part = slice(start, start + rows)
        block = scores[start * columns : (start + rows) * columns]
        np.matmul(left[part], transposed, out=block.reshape(-1, columns))
        same = np.flatnonzero((left_people[part, None] == right_people).ravel())
        taken.append(block[same])
        block[same] = np.inf
    return np.concatenate(taken) if taken else np.zeros(0, np.float32)


def split_roc(genuine: F32, impostor: F32) -> Roc:
    """The ROC's points at the scores of same pairs. ``impostor`` is sorted in place; trailing +∞ are not counted.

    Raises UsageError where a kind is missing, or a score is NaN.
    """
    genuine = np.sort(genuine)[::-1]
    impostor.sort()  # NaN go last, so one look finds them; +∞ marks the places of same pairs
    if (len(impostor) and np.isnan(impostor[-1])) or np.isnan(genuine).any():
        raise UsageError("some scores are NaN; the embeddings are broken, make them again")
    negatives = int(np.searchsorted(impostor, np.float32(np.inf)))
    if not negatives or not len(genuine):
        kind = "different people" if not negatives else "one person"
        raise UsageError(f"none of the pairs shows {kind}; a ROC needs both kinds")
    last = np.flatnonzero(np.append(genuine[1:] != genuine[:-1], True))
    distinct = genuine[last]
    at = negatives - np.searchsorted(impostor[:negatives], distinct, "left")
    above = negatives - np.searchsorted(impostor[:negatives], distinct, "right")
    thresholds = np.stack([np.nextafter(distinct, np.float32(np.inf)), distinct], 1).ravel()
    false = np.stack([above, at], 1).ravel()
    true = np.stack([np.concatenate([[0], last[:-1] + 1]), last + 1], 1).ravel()
    lowest = float(min(impostor[0], distinct[-1]))
    return Roc(
        np.concatenate([[np.inf], thresholds.astype(np.float64), [lowest]]),
        np.concatenate([[0], false, [negatives]]).astype(np.int64),
        np.concatenate([[0], true, [len(genuine)]]).astype(np.int64),
    )


def _normalise(embeddings: F32) -> F32:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(length, np.finfo(np.float32).tiny), np.float32)
