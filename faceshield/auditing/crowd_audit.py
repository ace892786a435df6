"""How well recognisers that were trained on a person's photos, among a crowd's, name the person in clean ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceshield.auditing.sides import Kind
from faceshield.evaluation.roc import clopper_pearson

BEFORE: tuple[Kind, str] = ("clean", "none")
AFTER: tuple[Kind, str] = ("cloaked", "none")


@dataclass(frozen=True)
class CrowdAudit:
    """One training for each (photos of the person trained on, counter-measure): BEFORE, AFTER, then those asked for.

    Attributes:
        metrics: protected_accuracy (last epoch), protected_accuracy_peak and others_accuracy with intervals, chance.
        photos: how many photos of the person each training gets.
        tested: how many clean photos of the person are in no training.
        people: the number of people in the crowd.
        crowd, others_tested: how many of their photos are trained on, and tested.
        settings: the attacker's: size in pixels, width, lr, epochs of plain training.
        lost: the number of photos in which the collector found no face, by side.
        dropped: people of the crowd who are left out because too few of their photos show a face.
    """

    metrics: dict[tuple[Kind, str], dict[str, Any]]
    photos: int
    tested: int
    people: int
    crowd: int
    others_tested: int
    settings: Mapping[str, Any]
    lost: dict[str, int]
    dropped: tuple[str, ...]


def add_intervals(metrics: Mapping[str, Any], tested: int, others: int) -> dict[str, Any]:
    """The accuracies of an attack, each with its 95 % Clopper–Pearson interval ``<name>_ci``, and ``chance``.

    ``tested`` and ``others`` are the numbers of test photos of the person and of the crowd. The peak is the best epoch
    on the test photos; its interval ignores that choice.
    """
    values: dict[str, Any] = {"chance": metrics["chance"]}
    trials = {"protected_accuracy": tested, "protected_accuracy_peak": tested, "others_accuracy": others}
    for name, count in trials.items():
        values[name] = metrics[name]
        values[f"{name}_ci"] = list(clopper_pearson(round(metrics[name] * count), count))
    return values
