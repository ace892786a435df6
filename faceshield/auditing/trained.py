"""What recognisers that were trained on a person's photos, among a crowd's, say of clean photos of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceshield.auditing.sides import Kind
from faceshield.evaluation.roc import clopper_pearson

BEFORE: tuple[Kind, str] = ("clean", "none")
AFTER: tuple[Kind, str] = ("cloaked", "none")


@dataclass(frozen=True)
class Trained:
    """One training for each (photos of the person trained on, counter-measure): BEFORE, AFTER, then those asked for.

    metrics    protected_accuracy (last epoch), protected_accuracy_peak and others_accuracy with intervals, chance
    own        photos of the person in each training · ``tested``: clean ones in none of them
    people     in the crowd · ``crowd``, ``others_tested``: their photos trained on and tested
    settings   of the attacker: size (pixels), width, lr, epochs of plain training
    lost       photos in which the collector found no face, by side; ``dropped``: crowd people thereby left with too few
    """

    metrics: dict[tuple[Kind, str], dict[str, Any]]
    own: int
    tested: int
    people: int
    crowd: int
    others_tested: int
    settings: Mapping[str, Any]
    lost: dict[str, int]
    dropped: tuple[str, ...]


def with_intervals(metrics: Mapping[str, Any], tested: int, others: int) -> dict[str, Any]:
    """The shares that an attack tells, each with its 95 % Clopper–Pearson interval ``<name>_ci``, and ``chance``.

    ``tested`` and ``others`` are the numbers of test photos of the person and of the crowd that the shares are of. The
    peak is chosen among epochs by the test itself: its interval is as if it had not been.
    """
    told: dict[str, Any] = {"chance": metrics["chance"]}
    trials = {"protected_accuracy": tested, "protected_accuracy_peak": tested, "others_accuracy": others}
    for name, count in trials.items():
        told[name] = metrics[name]
        told[f"{name}_ci"] = list(clopper_pearson(round(metrics[name] * count), count))
    return told
