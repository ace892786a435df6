"""Run a recipe cell by cell; a finished cell is cached by its configuration's hash, so a run resumes by itself."""

from __future__ import annotations

import datetime
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import faceshield
from faceshield.core.errors import UsageError
from faceshield.core.store import read_json, sha256, write_json
from faceshield.experiments.recipe import Key, Recipe, Scale
from faceshield.reports.figures import recognition
from faceshield.training.runtime import Runtime

Say = Callable[[str], None]


@dataclass(frozen=True)
class Context:
    """What a cell may use: where data lies, a folder of its own recipe's for caches, the hardware, and a voice."""

    data: Path
    work: Path
    runtime: Runtime
    say: Say

    def source(self, name: str) -> Path:
        """A data folder. Raises UsageError where it is absent."""
        path = self.data / name
        if not path.exists():
            raise UsageError(f"{path}: is not there; give the folder that holds {name!r} by --data")
        return path


Cell = Callable[[Key, int, dict[str, Any], Context], dict[str, Any]]


@dataclass(frozen=True)
class Planned:
    """One cell of one recipe at one scale; ``digest`` is the hash of everything that decides its result."""

    key: Key
    seed: int
    settings: dict[str, Any]
    digest: str


def plan(recipe: Recipe, scale: Scale) -> list[Planned]:
    """The recipe's cells in order: every key of the matrix for every seed."""
    settings = recipe.at(scale)
    return [
        Planned(key, seed, settings, _digest({"experiment": recipe.experiment, "key": key, "seed": seed, **settings}))
        for key in recipe.cells()
        for seed in settings.get("seeds", recipe.seeds)
    ]


def run(recipe: Recipe, scale: Scale, cell: Cell, context: Context, results: Path, only: int | None = None) -> Path:
    """Run what is not cached and write ``results/<recipe id>.<scale>.json`` (all finished cells); returns its path.

    ``only`` runs a single cell by its number. Cached cells live in ``context.work``; deleting one runs it again.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    cells = plan(recipe, scale)
    if only is not None and not 0 <= only < len(cells):
        raise UsageError(f"cell {only} does not exist; {recipe.id} has cells 0 to {len(cells) - 1} at {scale}")
    finished = []
    for number, planned in enumerate(cells):
        cache = context.work / f"{planned.digest[:16]}.json"
        if not cache.is_file() and only in (None, number):
            context.say(f"cell {number + 1} of {len(cells)}: {_title(planned)}")
            begun = time.monotonic()
            metrics = cell(planned.key, planned.seed, planned.settings, context)
            seconds = round(time.monotonic() - begun, 1)
            write_json(cache, {"key": planned.key, "seed": planned.seed, "metrics": metrics, "wall_s": seconds})
        if cache.is_file():
            finished.append(read_json(cache))
            context.say(f"cell {number + 1} of {len(cells)}: {_title(planned)}: {_short(finished[-1]['metrics'])}")
    result = {
        "recipe": recipe.id,
        "scale": scale,
        "claim": recipe.claim,
        "command": f"faceshield recipes run {recipe.id} --scale {scale}",
        "device": context.runtime.describe(),
        "started": started,
        "wall_s": round(sum(done["wall_s"] for done in finished), 1),
        "versions": {
            "faceshield": faceshield.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "config_sha256": _digest([planned.digest for planned in cells]),
        "settings": recipe.at(scale),
        "cells": finished,
        "expected": [expected.model_dump(exclude_none=True) for expected in recipe.expected],
        "plots": [],
    }
    path = results / f"{recipe.id}.{scale}.json"
    if finished and all("confusion" in done["metrics"] for done in finished):
        recognition(result, path.with_suffix(".png"))
        result["plots"] = [path.with_suffix(".png").name]
    write_json(path, result)
    return path


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode())


def _title(planned: Planned) -> str:
    words = ", ".join(f"{name} {value}" for name, value in planned.key.items())
    return f"{words}, seed {planned.seed}"


def _short(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items() if isinstance(value, float))
