"""The curves of one run. The paper's claims are curves: a peak that comes before the end counts for the collector."""

from __future__ import annotations

from dataclasses import dataclass

from faceshield.core.errors import UsageError


@dataclass(frozen=True)
class History:
    """Mean training loss of each epoch and, where the run was given a test, the accuracy (0–1) after each epoch."""

    train_loss: tuple[float, ...] = ()
    test_accuracy: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.train_loss)

    def then(self, loss: float, accuracy: float | None) -> History:
        """This history and one more epoch."""
        tested = () if accuracy is None else (accuracy,)
        return History((*self.train_loss, loss), self.test_accuracy + tested)

    @property
    def test_accuracy_peak(self) -> float:
        """The best a collector could stop at. Raises UsageError for a run without a test."""
        return max(self._tested())

    @property
    def test_accuracy_final(self) -> float:
        """The accuracy after the last epoch. Raises UsageError for a run without a test."""
        return self._tested()[-1]

    def _tested(self) -> tuple[float, ...]:
        if not self.test_accuracy:
            raise UsageError("this run has no test accuracy; give train a test and at least one epoch")
        return self.test_accuracy
