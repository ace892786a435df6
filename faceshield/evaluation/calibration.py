"""The threshold that a stored result measured at a false accept rate: what a single decision may rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import read_json
from faceshield.evaluation.roc import Interval
from faceshield.evaluation.search import FAR
from faceshield.evaluation.verification import format_far
from faceshield.models.weights import find_folder

KEY = {"flip": True, "score": "distance"}
"""How a decision compares two photos, for every recogniser."""

STORED = "lfw.mini.json"
"""The recipe faces/lfw's result among the weights."""


@dataclass(frozen=True)
class Calibration:
    """A measured threshold.

    Attributes:
        distance: Pairs at most this far apart are taken for one person.
        far: False accept rate (FMR) measured there, 0–1.
        far_ci: Its 95 % interval.
        tar: True accept rate (1 − FNMR) measured there, 0–1.
        recipe: Where it was measured.
    """

    distance: float
    far: float
    far_ci: Interval
    tar: float
    recipe: str


def read_calibration(path: Path, far: float, recogniser: str) -> Calibration:
    """What a stored result of the recipe faces/lfw, or a verification.json, at ``path`` says for a target ``far``.

    ``recogniser`` is the checksum of the weights in use. Raises StoreError where there is no such result or it was
    measured with other weights, UsageError for a rate that it did not measure.
    """
    if not path.is_file():
        raise StoreError(
            f"{path}: no such result; make it by 'faceshield recipes run faces/lfw', or give --calibration"
        )
    value = read_json(path)
    try:
        metrics, where = _read_recipe(value, recogniser) if "cells" in value else _read_verification(value)
        if metrics["recogniser"] != recogniser:
            raise StoreError(
                f"{path}: was measured with other weights; give --calibration the verification.json that"
                " 'faceshield evaluate verification' writes with these"
            )
        word = format_far(far)
        if metrics.get(f"threshold_at_far_{word}") is None:
            known = ", ".join(name.rpartition("_")[2] for name in metrics if name.startswith("threshold_at_far_"))
            why = metrics.get(f"tar_at_far_{word}_refused", f"it was measured at {known}")
            raise UsageError(f"{path}: has no threshold for FAR {word}: {why}")
        low, high = metrics[f"far_{word}_ci"]
        return Calibration(
            -float(metrics[f"threshold_at_far_{word}"]),
            float(metrics[f"far_{word}"]),
            (float(low), float(high)),
            float(metrics[f"tar_at_far_{word}"]),
            where,
        )
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise StoreError(
            f"{path}: is no result of faces/lfw nor of 'evaluate verification' ({error!r}); make it again"
        ) from None


def load_limit(recogniser: str) -> float:
    """The distance below which two photos match for the recogniser whose weights have the checksum ``recogniser``.

    At a false match rate of ``evaluation.search.FAR``, from the stored result of the recipe faces/lfw. Raises
    StoreError where it says nothing of these weights.
    """
    return read_calibration(find_folder() / STORED, FAR, recogniser).distance


def _read_recipe(value: Any, recogniser: str) -> tuple[Mapping[str, Any], str]:
    """The cell of ``recogniser``, or another one's where it has none."""
    found = [cell["metrics"] for cell in value["cells"] if KEY.items() <= cell["key"].items()]
    metrics = next((cell for cell in found if cell["recogniser"] == recogniser), None) or next(iter(found))
    return metrics, f"{value['recipe']}, {value['scale']}"


def _read_verification(value: Any) -> tuple[Mapping[str, Any], str]:
    if any(value[name] != KEY[name] for name in ("flip", "score")):
        raise ValueError(f"flip {value['flip']} and score {value['score']}, not {KEY['flip']} and {KEY['score']}")
    return {**value["metrics"], "recogniser": value["recogniser"]}, value["setting"]["pairs"]
