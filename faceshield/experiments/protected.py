"""What of the training data a cell protects, and what of it the collector gets (§4.3, Table 2, Fig. 2)."""

from __future__ import annotations

from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure
from faceshield.experiments.recipe import Key
from faceshield.experiments.settings import nearest

PARTS = ("both", "clean", "unlearnable")


def exposure(key: Key, seed: int) -> Exposure:
    """``key``: percent (of each class, drawn from ``seed``), or protected (class names joined by "+"), or all."""
    if "percent" in key:
        return Exposure(fraction=float(key["percent"]) / 100, seed=seed)
    return Exposure(classes=names_of(key)) if "protected" in key else Exposure()


def names_of(key: Key) -> tuple[str, ...]:
    """The classes that a cell protects by name."""
    return tuple(str(key["protected"]).split("+"))


def part(data: Examples, mask: Tensor, key: Key) -> Examples:
    """What the collector trains on. ``key``: trained_on "both", or only the "clean" or the "unlearnable" examples.

    ``mask`` (n,) bool says which examples of ``data`` are protected. Raises UsageError for another word.
    """
    wanted = str(key.get("trained_on", "both"))
    if wanted not in PARTS:
        raise UsageError(f"trained_on {wanted!r} is unknown; use {', '.join(PARTS)}{nearest(wanted, PARTS)}")
    return data if wanted == "both" else data.select(mask if wanted == "unlearnable" else ~mask)
