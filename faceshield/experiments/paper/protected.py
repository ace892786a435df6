"""What of the training data a cell protects, and what of it the collector gets (§4.3, Table 2, Fig. 2)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure
from faceshield.experiments.engine.settings import CellKey

Part = Literal["both", "clean", "unlearnable"]


class ExposedKey(CellKey):
    """``percent`` of each class carries noise, or the classes ``protected`` (names joined by "+"), or all."""

    percent: float | None = None
    protected: str | None = None

    def names(self) -> tuple[str, ...]:
        """The classes that a cell protects by name; () where it names none."""
        return () if self.protected is None else tuple(self.protected.split("+"))


def exposure(key: ExposedKey, seed: int) -> Exposure:
    """What of the training data carries noise; a percentage is drawn from ``seed``."""
    if key.percent is not None:
        return Exposure(fraction=key.percent / 100, seed=seed)
    return Exposure() if key.protected is None else Exposure(classes=key.names())


def part(data: Examples, mask: Tensor, trained_on: Part) -> Examples:
    """What the collector trains on: both, or only the clean or the unlearnable examples.

    ``mask`` (n,) bool says which examples of ``data`` are protected.
    """
    return data if trained_on == "both" else data.select(mask if trained_on == "unlearnable" else ~mask)
