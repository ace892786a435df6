"""Which function runs the cells of which recipe."""

from __future__ import annotations

from faceshield.core.errors import UsageError
from faceshield.experiments.run import Cell


def cell_of(experiment: str) -> Cell:
    """The function named in a recipe. Raises UsageError for an unknown name."""
    from faceshield.experiments.bank import bank
    from faceshield.experiments.crops import crops
    from faceshield.experiments.selfie import selfie

    known: dict[str, Cell] = {"bank": bank, "crops": crops, "selfie": selfie}
    if experiment not in known:
        raise UsageError(f"experiment {experiment!r} is unknown; use {', '.join(known)}")
    return known[experiment]
