"""A search for a face in a gallery: the rank of the person, and how often a distance is below the limit of a match.

Nothing is learned: each photo's features are compared with those of a gallery, as a face search engine does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.evaluation.roc import clopper_pearson

FAR = 1e-3
EXACT = "donot_use_mm_for_euclid_dist"  # near distances by products of matrices are rounded away


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        rank: (q,) int64, the rank of the person's nearest photo in the gallery for each query; 1 is first. Where the
            query, or every photo of the person, shows no face, it is one more than there are distractors.
        distance: (p,) of each pair of a query and a photo of the person; infinite where one of them shows no face.
    """

    rank: Tensor
    distance: Tensor

    def metrics(self, limits: dict[str, float]) -> dict[str, Any]:
        """``rank1`` and ``rank10`` with their intervals, and for each of ``limits`` the share of pairs nearer than it.

        The intervals are Clopper–Pearson's over queries or pairs, as if these shared no people.
        """
        rates: dict[str, Any] = {}
        shares = {"rank1": self.rank <= 1, "rank10": self.rank <= 10}
        shares |= {name: self.distance < limit for name, limit in limits.items()}
        for name, hit in shares.items():
            rates[name] = float(hit.double().mean())
            rates[f"{name}_ci"] = list(clopper_pearson(int(hit.sum()), len(hit)))
        return {**rates, "rank_median": float(self.rank.double().median()), "queries": len(self.rank)}


def search(queries: Tensor, features: Tensor, distractors: Tensor) -> Search:
    """Search for one person in a gallery of their photos and of distractors.

    queries (q, D), features (g, D) of the person, distractors (n, D). Rows of NaN are photos without a face. Raises
    UsageError where one of the three has no row.
    """
    for name, rows in (("queries", queries), ("features", features), ("distractors", distractors)):
        if not len(rows):
            raise UsageError(f"{name}: a search needs at least one photo there, found none")
    distance = torch.cdist(queries, features, compute_mode=EXACT).nan_to_num(float("inf"))
    others = torch.cdist(queries, distractors).nan_to_num(float("inf"))
    nearer = (others < distance.amin(1, keepdim=True)).sum(1)
    lost = distance.amin(1).isinf()
    rank = torch.where(lost, len(distractors) + 1, nearer + 1)
    return Search(rank, distance.flatten())


def concatenate_searches(found: list[Search]) -> Search:
    """Several people's searches as one."""
    return Search(torch.cat([one.rank for one in found]), torch.cat([one.distance for one in found]))


def find_limit(different: Tensor, far: float) -> float:
    """The distance below which at most ``far`` of the pairs of different people, at distances ``different``, lie.

    Raises UsageError where there are too few pairs to tell (3 / ``far``: with fewer, none at all would tell nothing).
    """
    if len(different) * far < 3:
        raise UsageError(f"{len(different)} pairs cannot tell a false match rate of {far:g}; {3 / far:.0f} are needed")
    return float(different.sort().values[int(len(different) * far)])
