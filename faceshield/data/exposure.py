"""Which examples are protected: the paper's p % of the training data, some classes, or some pictures (§4.3)."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples, shuffle_by_id


@dataclass(frozen=True)
class Exposure:
    """``fraction`` of each class, or all of some ``classes`` (by name), or some examples (by ``ids``): one of these.

    ``seed`` draws the fraction from the ids alone: the same examples whatever their order, and a smaller fraction's lie
    inside a larger one's. Raises UsageError for a fraction outside [0, 1] and for more than one way to choose.
    """

    fraction: float | None = None
    classes: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = [name for name in ("fraction", "classes", "ids") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"an exposure by {' and '.join(given)} is ambiguous; give one of them")
        if self.fraction is not None and not (math.isfinite(self.fraction) and 0 <= self.fraction <= 1):
            raise UsageError(f"fraction {self.fraction} is not within 0 and 1; write 80 % as 0.8")

    def mask(self, examples: Examples) -> Tensor:
        """(n,) bool, True where an example is protected; all are where nothing was chosen.

        A fraction takes the nearest whole number of each class. Raises UsageError naming the first class or id that is
        not in ``examples``.
        """
        if self.classes is not None:
            _refuse_absent("class", self.classes, examples.classes)
            chosen = torch.tensor([name in self.classes for name in examples.classes], dtype=torch.bool)
            return chosen[examples.labels]
        if self.ids is not None:
            _refuse_absent("example", self.ids, examples.ids)
            wanted = set(self.ids)
            return torch.tensor([id in wanted for id in examples.ids], dtype=torch.bool)
        fraction = 1.0 if self.fraction is None else self.fraction
        protected = torch.zeros(len(examples), dtype=torch.bool)
        for label in range(len(examples.classes)):
            members = (examples.labels == label).nonzero()[:, 0]
            order = shuffle_by_id([examples.ids[i] for i in members.tolist()], self.seed, "exposure")
            protected[members[order[: round(fraction * len(order))]]] = True
        return protected


def _refuse_absent(kind: str, asked: Collection[str], there: Collection[str]) -> None:
    known = set(there)
    absent = next((name for name in asked if name not in known), None)
    if absent is not None:
        raise UsageError(f"{kind} {absent!r} is not in the data; check its spelling")
