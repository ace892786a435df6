"""The curves of one run. The paper's claims are curves: a peak that comes before the end counts for the collector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faceshield.core.errors import UsageError

Tested = float | tuple[float, Sequence[float]]
"""The result of a test: the accuracy (0–1), or a pair of it and the accuracy on each class."""


@dataclass(frozen=True)
class History:
    """Mean training loss of each epoch and, where the run was given a test, the accuracy (0–1) after each epoch.

    ``class_curves[i]`` is the accuracy on class i after each epoch, NaN for a class without test pictures; empty where
    the test gives none. ``seconds`` is what the epochs took without their tests, and is no part of a comparison: two
    runs are equal where their curves are.
    """

    train_loss: tuple[float, ...] = ()
    test_accuracy: tuple[float, ...] = ()
    class_curves: tuple[tuple[float, ...], ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @staticmethod
    def read(values: Mapping[str, Any]) -> History:
        """The history of an ``asdict`` that went through JSON; absent fields are empty."""
        return History(
            tuple(values.get("train_loss", ())),
            tuple(values.get("test_accuracy", ())),
            tuple(tuple(curve) for curve in values.get("class_curves", ())),
            float(values.get("seconds", 0.0)),
        )

    def __len__(self) -> int:
        return len(self.train_loss)

    def append(self, loss: float, tested: Tested | None, seconds: float = 0.0) -> History:
        """This history and one more epoch, which took ``seconds``."""
        if tested is None:
            return History((*self.train_loss, loss), seconds=self.seconds + seconds)
        accuracy, classes = tested if isinstance(tested, tuple) else (tested, ())
        curves = self.class_curves or ((),) * len(classes)
        return History(
            (*self.train_loss, loss),
            (*self.test_accuracy, accuracy),
            tuple((*curve, share) for curve, share in zip(curves, classes, strict=True)),
            self.seconds + seconds,
        )

    @property
    def test_accuracy_peak(self) -> float:
        """The best a collector could stop at. Raises UsageError for a run without a test."""
        return max(self._require_test())

    @property
    def test_accuracy_final(self) -> float:
        """The accuracy after the last epoch. Raises UsageError for a run without a test."""
        return self._require_test()[-1]

    def _require_test(self) -> tuple[float, ...]:
        if not self.test_accuracy:
            raise UsageError("this run has no test accuracy; give train a test and at least one epoch")
        return self.test_accuracy
