"""What a stored result holds, read by key: the seeds' numbers, their mean and spread, and what to compare them with."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.results import STAND_IN, Key, Result
from faceshield.core.store import read_json

SCALES = ("smoke", "mini", "paper")
RATES = {"accuracy", "auc", "eer", "tar", "rank1", "rate", "success", "chance"}


def list_keys(result: Result) -> list[Key]:
    """The keys of a result's finished cells, each once, in the order of the file."""
    keys: list[Key] = []
    for cell in result["cells"]:
        if cell["key"] not in keys:
            keys.append(cell["key"])
    return keys


def read_values(result: Result, key: Key, metric: str) -> list[Any]:
    """``metric`` of the cells with exactly this key, one a seed; cells without it are left out."""
    return [cell["metrics"][metric] for cell in result["cells"] if cell["key"] == key and metric in cell["metrics"]]


def find_stand_ins(result: Result) -> dict[str, str]:
    """Data sets that the recipe names, and those that were read in their place."""
    data: dict[str, str] = result.get("data", {})
    return {name: seen.partition(STAND_IN)[0] for name, seen in data.items() if STAND_IN in seen}


def spread(numbers: Sequence[float]) -> float:
    """Sample standard deviation; 0 for a single seed."""
    return statistics.stdev(numbers) if len(numbers) > 1 else 0.0


def list_scalars(result: Result) -> list[str]:
    """The metrics that are one number, in the order of the file."""
    return _require_named(result, _is_number)


def list_vectors(result: Result) -> list[str]:
    """The metrics that are a list of numbers, such as one an epoch."""
    return _require_named(result, lambda value: isinstance(value, list) and bool(value) and all(map(_is_number, value)))


def list_matrices(result: Result) -> list[str]:
    """The metrics that are a list of lists, such as a confusion matrix."""
    return _require_named(result, lambda value: isinstance(value, list) and bool(value) and isinstance(value[0], list))


def is_rate(metric: str) -> bool:
    """Whether a metric is a share in 0–1, which people read as per cent."""
    return not RATES.isdisjoint(metric.split("_"))


def format_number(metric: str, value: float) -> str:
    """``value`` as people read it: rates in per cent, everything else in three digits or all before the point."""
    if is_rate(metric):
        return f"{value:.1%}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def format_given(metric: str, value: float) -> str:
    """A number that somebody wrote down, such as the paper's, with the digits it has: "16.42%"."""
    return f"{value * 100:.4g}%" if is_rate(metric) else f"{value:.4g}"


def read_results(folder: Path) -> list[Result]:
    """Every result file below ``folder``, by recipe and scale.

    Raises StoreError where one is not a result, UsageError where ``folder`` is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; give that of the result files, such as recipes/results")
    found = []
    for path in sorted(folder.rglob("*.json")):
        result = read_json(path)
        if not isinstance(result, dict) or not {"recipe", "scale", "claim", "cells", "device"} <= result.keys():
            raise StoreError(f"{path}: is not a result of 'faceshield recipes run'; take it out of {folder}")
        found.append(result)
    return sorted(found, key=lambda result: (result["recipe"], _rank(result["scale"])))


def format_seeds(result: Result) -> str:
    """The seeds of the finished cells: "seed 0", "seeds 0, 1, 2"."""
    seeds = sorted({cell["seed"] for cell in result["cells"]})
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _rank(scale: str) -> int:
    return SCALES.index(scale) if scale in SCALES else len(SCALES)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_named(result: Result, fits: Callable[[Any], bool]) -> list[str]:
    """The metrics of which some cell's value fits."""
    metrics = (item for cell in result["cells"] for item in cell["metrics"].items())
    return list(dict.fromkeys(name for name, value in metrics if fits(value)))


def read_stored_cells(
    path: Path, config_sha256: str, data: Mapping[str, str], weights: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The cells of the result file ``path``, each as its cache holds it.

    None where there is no file, or where it was made by another configuration, on other ``data`` or with other
    ``weights``: its cells are other ones. Older files do not name their weights and are taken at their word. A cell
    that does not say where and by what it was made gets its file's word. Raises StoreError for an invalid file.
    """
    file = read_json(path) if path.is_file() else {}
    if file.get("config_sha256") != config_sha256 or file.get("data") != data:
        return []
    if file.get("weights", weights) != weights:
        return []
    return [
        {
            **{name: cell[name] for name in ("key", "seed", "metrics", "wall_s")},
            **{name: cell.get(name, file[name]) for name in ("device", "versions")},
        }
        for cell in file["cells"]
    ]


def estimate(waiting: Sequence[Key], done: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds for cells of the keys ``waiting`` by the ``wall_s`` of the cells ``done``: the mean of the same key's.

    Where a key has none, the mean of all; None where nothing is done.
    """
    if not waiting:
        return 0.0
    if not done:
        return None
    same = ([cell["wall_s"] for cell in done if cell["key"] == key] for key in waiting)
    return sum(statistics.fmean(times or [cell["wall_s"] for cell in done]) for times in same)
