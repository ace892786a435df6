"""What a run would do, before it is begun: cells, data, disk and hours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceshield.core.results import Key
from faceshield.core.store import read_json
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.plan import Planned, estimate
from faceshield.experiments.engine.recipe import Recipe, Scale
from faceshield.experiments.engine.run import planned_cells, read_by
from faceshield.experiments.engine.stored import stored


@dataclass(frozen=True)
class DryRun:
    """The cells that were asked for, by their numbers. ``each[i]`` is the seconds that ``cells[i]`` will take by
    ``basis``, None where no cell is stored to go by, 0 for one that is done.

    ``done[i]`` is whether it is cached, or stands in a result that a run would add to; ``data`` maps what the cells
    read to whether it is there; ``used_bytes`` is what the recipe's caches take now, ``free_bytes`` what their disk has
    left.
    """

    numbers: tuple[int, ...]
    cells: tuple[Planned, ...]
    done: tuple[bool, ...]
    data: dict[Path, bool]
    used_bytes: int
    free_bytes: int
    each: tuple[float | None, ...]
    basis: str

    @property
    def seconds(self) -> float | None:
        """What all open cells will take; None where it is not known of each."""
        known = [seconds for seconds in self.each if seconds is not None]
        return sum(known) if len(known) == len(self.each) else None


def dry_run(
    recipe: Recipe,
    scale: Scale,
    experiment: Experiment[Any, Any],
    context: Context,
    results: Path,
    *,
    only: int | None = None,
    seeds: Sequence[int] | None = None,
) -> DryRun:
    """Look at what is there; nothing is run. ``only`` and ``seeds`` as :func:`faceshield.experiments.engine.run.run`.

    The seconds are the ``wall_s`` of the cells in the stored result of the same scale, which may be another machine's:
    ``basis`` says so. Raises UsageError where no cell has the number.
    """
    plan = planned_cells(recipe, scale, experiment, context, seeds)
    numbers = plan.asked(only, seeds)
    file = results / f"{recipe.id}.{scale}.json"
    found = stored(file, plan.config_sha256, read_by(plan.cells, experiment, context), plan.cells)
    cells = [plan.cells[number - 1] for number in numbers]
    done = [
        (context.work / cell.cache).is_file() or found[number - 1] is not None
        for number, cell in zip(numbers, cells, strict=True)
    ]
    timed, basis = _timed(file)
    names = dict.fromkeys(name for cell in cells for name in experiment.sources(cell.key, cell.settings))
    return DryRun(
        tuple(numbers),
        tuple(cells),
        tuple(done),
        {context.locate(name): context.locate(name).exists() for name in names},
        sum(file.stat().st_size for file in context.work.rglob("*") if file.is_file()),
        shutil.disk_usage(_existing(context.work)).free,
        tuple(0.0 if is_done else estimate([cell.key], timed) for cell, is_done in zip(cells, done, strict=True)),
        basis,
    )


def _timed(path: Path) -> tuple[list[tuple[Key, float]], str]:
    """(key, seconds) of the cells of a stored result, and where they were measured."""
    result = read_json(path) if path.is_file() else {"cells": []}
    if not result["cells"]:
        return [], f"no cell is stored in {path}"
    return [(cell["key"], cell["wall_s"]) for cell in result["cells"]], f"{path.name}, made on {result['device']}"


def _existing(path: Path) -> Path:
    """``path`` or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
