"""Run a recipe cell by cell; a finished cell is cached by its configuration's hash, so a run resumes by itself."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faceshield.core.results import STAND_IN, Result
from faceshield.core.store import read_json, write_json
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.fingerprint import fingerprint
from faceshield.experiments.engine.plan import Plan, Planned, estimate, plan
from faceshield.experiments.engine.recipe import Recipe, Scale
from faceshield.experiments.engine.stored import adopt
from faceshield.reports.benchmark import read_versions
from faceshield.reports.figures import draw_all

OnCell = Callable[[int, int, float | None], None]


def planned_cells(
    recipe: Recipe,
    scale: Scale,
    experiment: Experiment[Any, Any],
    context: Context,
    seeds: Sequence[int] | None = None,
) -> Plan:
    """:func:`plan`, with the fingerprints of the data where the experiment gives them."""
    return plan(recipe, scale, seeds, lambda key, settings: experiment.fingerprint(key, settings, context))


def run(
    recipe: Recipe,
    scale: Scale,
    experiment: Experiment[Any, Any],
    context: Context,
    results: Path,
    *,
    only: int | None = None,
    seeds: Sequence[int] | None = None,
    on_cell: OnCell | None = None,
) -> Path:
    """Run what is not cached and write ``results/<recipe id>.<scale>.json`` (all finished cells); returns its path.

    ``only`` runs a single cell by its number (from 1, as ``recipes show`` counts), ``seeds`` only those seeds; what
    stays open is listed in the file as ``not_run``. Interrupted, it writes the same file and passes the interruption
    on. Cached cells live in ``context.work``; those of an earlier file count too, where it was made by the same
    configuration on the same data. ``on_cell(finished, all, seconds left or None)`` is told the progress of the cells
    that were asked for, and of no other. Several processes all run each cell, and share what training and noise share;
    the first one alone writes. Raises UsageError where no cell has the number.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    planned = planned_cells(recipe, scale, experiment, context, seeds)
    asked = planned.asked(only, seeds)
    path = results / f"{recipe.id}.{scale}.json"
    data = read_by(planned.cells, experiment, context)
    context.runtime.ranks.once(lambda: adopt(path, planned.config_sha256, data, planned.cells, context.work))
    try:
        for done, number in enumerate(asked):
            if on_cell is not None:
                on_cell(done, len(asked), _seconds_left(planned, asked, context.work))
            cell = planned.cells[number - 1]
            _run_one(cell, f"cell {number} of {len(planned.cells)}", experiment, context)
    except KeyboardInterrupt:
        if context.runtime.ranks.rank == 0 and any((context.work / cell.cache).is_file() for cell in planned.cells):
            _write(path, recipe, scale, context, planned, started, data)
        raise
    if on_cell is not None:
        on_cell(len(asked), len(asked), 0)
    context.runtime.ranks.once(lambda: _write(path, recipe, scale, context, planned, started, data))
    return path


def _seconds_left(planned: Plan, asked: Sequence[int], work: Path) -> float | None:
    """What the cells that were asked for will still take, by all that are finished; None without any."""
    caches = [work / cell.cache for cell in planned.cells]
    done = [
        (cell.key, read_json(cache)["wall_s"])
        for cell, cache in zip(planned.cells, caches, strict=True)
        if cache.is_file()
    ]
    return estimate([planned.cells[number - 1].key for number in asked if not caches[number - 1].is_file()], done)


def _run_one(planned: Planned, number: str, experiment: Experiment[Any, Any], context: Context) -> None:
    cache = context.work / planned.cache
    if not cache.is_file():
        context.say(f"{number}: {planned.title}")
        begun = time.monotonic()
        metrics = experiment.run(planned.key, planned.seed, planned.settings, context)
        finished = {
            "key": planned.key,
            "seed": planned.seed,
            "metrics": metrics,
            "wall_s": round(time.monotonic() - begun, 1),
            "device": context.runtime.describe(),
            "versions": read_versions(),
        }
        context.runtime.ranks.once(lambda: write_json(cache, finished))
    context.say(f"{number}: {planned.title}: {_short(read_json(cache)['metrics'])}")


def _write(
    path: Path,
    recipe: Recipe,
    scale: Scale,
    context: Context,
    planned: Plan,
    started: str,
    data: Mapping[str, str],
) -> None:
    """The result file of the cells that are cached, and its figures."""
    caches = [(cell, context.work / cell.cache) for cell in planned.cells]
    finished = [read_json(cache) for _, cache in caches if cache.is_file()]
    here = context.runtime.describe()
    result: Result = {
        "recipe": recipe.id,
        "scale": scale,
        "claim": recipe.claim,
        "command": f"faceshield recipes run {recipe.id} --scale {scale}" + _instead(context),
        "device": "; ".join(dict.fromkeys(done.get("device", here) for done in finished)) or here,
        "started": started,
        "wall_s": round(sum(done["wall_s"] for done in finished), 1),
        "versions": read_versions(),
        "config_sha256": planned.config_sha256,
        "data": data,
        "settings": recipe.at(scale),
        **({"own_matrix": True} if "matrix" in recipe.scales[scale] else {}),
        "cells": finished,
        "not_run": [{"key": open_.key, "seed": open_.seed} for open_, cache in caches if not cache.is_file()],
        "expected": [expected.model_dump(exclude_none=True) for expected in recipe.expected],
        "plots": [],
    }
    write_json(path, result)  # before the figures: hours of work must not depend on a plot's key
    result["plots"] = [plot.name for plot in draw_all(result, recipe.plots(), recipe.expected, path)]
    write_json(path, result)


def _instead(context: Context) -> str:
    return "".join(f" --instead {name}={other}" for name, other in context.instead.items())


def read_by(cells: Sequence[Planned], experiment: Experiment[Any, Any], context: Context) -> dict[str, str]:
    """Fingerprints of all that the cells read; a note where it has gone since the cells were made."""
    names = dict.fromkeys(name for cell in cells for name in experiment.sources(cell.key, cell.settings))
    return {name: _seen(name, context) for name in names}


def _seen(name: str, context: Context) -> str:
    if not context.where(name).exists():
        return "not at hand when this was written"
    other = context.instead.get(name)
    return ("" if other is None else f"{other}{STAND_IN}: ") + fingerprint(context.where(name))


def _short(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items() if isinstance(value, float))
