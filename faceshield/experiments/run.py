"""Run a recipe cell by cell; a finished cell is cached by its configuration's hash, so a run resumes by itself."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceshield.core.errors import UsageError
from faceshield.core.store import read_json, write_json
from faceshield.experiments.adopt import adopt
from faceshield.experiments.inputs import fingerprint
from faceshield.experiments.plan import Planned, config_sha256, plan, seconds_left
from faceshield.experiments.recipe import Key, Recipe, Scale
from faceshield.experiments.settings import MADE_HERE, Settings, checked
from faceshield.reports.benchmark import versions
from faceshield.reports.figures import draw_all
from faceshield.reports.results import STAND_IN, Result
from faceshield.training.runtime import Runtime

Say = Callable[[str], None]
OnEpoch = Callable[[int, float], None]
"""``on_epoch(epoch, loss)`` of ``training.loop.train``."""


@dataclass(frozen=True)
class Context:
    """What a cell may use: where data lies, a folder of its own recipe's for caches, the hardware, and a voice.

    ``shared`` is a folder for what several recipes can use; ``work`` where there is none. ``instead`` maps a data set's
    name to that of another one that is read in its place; the result file says so.
    """

    data: Path
    work: Path
    runtime: Runtime
    say: Say
    shared: Path | None = None
    instead: Mapping[str, str] = field(default_factory=dict)

    def where(self, name: str) -> Path:
        """Where a data set lies, or would lie."""
        return self.data / self.instead.get(name, name)

    def source(self, name: str) -> Path:
        """A data folder. Raises UsageError where it is absent."""
        path = self.where(name)
        if not path.exists():
            raise UsageError(f"{path}: is not there; give the folder that holds {path.name!r} by --data")
        return path

    def content(self, name: str) -> str:
        """A text that changes with the data set ``name``; the name itself of one that needs no file, or is absent.

        A run can thus be planned before its data is there.
        """
        path = self.where(name)
        return fingerprint(path) if name not in MADE_HERE and path.exists() else name

    def epochs(self, last: int) -> OnEpoch:
        """A training's ``on_epoch`` that says a line every tenth epoch and after the ``last`` one."""

        def tell(epoch: int, loss: float) -> None:
            if epoch % 10 == 9 or epoch + 1 == last:
                self.say(f"  epoch {epoch + 1} of {last}: loss {loss:.3f}")

        return tell

    def kept(self, name: str) -> Path:
        """Where a file lies, or is to lie, whose name tells all that decides it: the recipe's own copy goes first."""
        own = self.work / name
        return own if self.shared is None or own.is_file() else self.shared / name


Cell = Callable[[Key, int, dict[str, Any], Context], dict[str, Any]]
Probe = Callable[[Sequence[Planned], Context], Sequence[float]]
OnCell = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class Experiment:
    """The function that runs a cell, and what is known of it without running it.

    ``probe`` runs a few steps and returns the seconds that each of some cells would take, were they run in that order.
    ``fingerprint`` returns a text that changes with the data a cell reads: a cell is then run again when its data
    changed (``inputs.fingerprint`` of each source will do). Give it to new experiments only: it changes the names of
    their caches.
    """

    cell: Cell
    settings: type[Settings]
    probe: Probe | None = None
    fingerprint: Callable[[Key, dict[str, Any], Context], str] | None = None


def planned_cells(
    recipe: Recipe, scale: Scale, experiment: Experiment, context: Context, seeds: Sequence[int] | None = None
) -> list[Planned]:
    """:func:`plan`, with the fingerprints of the data where the experiment gives them."""
    hook = experiment.fingerprint
    if hook is None:
        return plan(recipe, scale, seeds)
    return plan(recipe, scale, seeds, lambda key, settings: hook(key, settings, context))


def run(
    recipe: Recipe,
    scale: Scale,
    experiment: Experiment,
    context: Context,
    results: Path,
    *,
    only: int | None = None,
    seeds: Sequence[int] | None = None,
    on_cell: OnCell | None = None,
) -> Path:
    """Run what is not cached and write ``results/<recipe id>.<scale>.json`` (all finished cells); returns its path.

    ``only`` runs a single cell by its number, ``seeds`` only those seeds; what stays open is listed in the file as
    ``not_run``. Interrupted, it writes the same file and passes the interruption on. Cached cells live in
    ``context.work``; those of an earlier file count too, where it was made by the same configuration on the same data.
    ``on_cell(finished, all, seconds left or None)`` is told the progress.
    Several processes all run each cell, and share what training and noise share; the first one alone writes.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    cells = planned_cells(recipe, scale, experiment, context, seeds)
    if only is not None and not 0 <= only < len(cells):
        raise UsageError(f"cell {only} does not exist; {recipe.id} has cells 0 to {len(cells) - 1} at {scale}")
    asked = [only is None or number == only for number in range(len(cells))]
    asked = [wanted and (seeds is None or cell.seed in seeds) for wanted, cell in zip(asked, cells, strict=True)]
    path = results / f"{recipe.id}.{scale}.json"
    config, data = config_sha256(recipe, scale), read_by(cells, experiment, context)
    context.runtime.ranks.once(lambda: adopt(path, config, data, cells, context.work))
    try:
        for number, planned in enumerate(cells):
            if on_cell is not None:
                on_cell(number, len(cells), seconds_left(cells, asked, context.work))
            _run_one(planned, f"cell {number + 1} of {len(cells)}", experiment, context, asked[number])
    except KeyboardInterrupt:
        if context.runtime.ranks.rank == 0 and any((context.work / cell.cache).is_file() for cell in cells):
            _write(path, recipe, scale, context, cells, started, config, data)
        raise
    if on_cell is not None:
        on_cell(len(cells), len(cells), 0)
    context.runtime.ranks.once(lambda: _write(path, recipe, scale, context, cells, started, config, data))
    return path


def _run_one(planned: Planned, number: str, experiment: Experiment, context: Context, wanted: bool) -> None:
    cache = context.work / planned.cache
    if wanted and not cache.is_file():
        context.say(f"{number}: {planned.title}")
        begun = time.monotonic()
        metrics = experiment.cell(planned.key, planned.seed, planned.settings, context)
        finished = {
            "key": planned.key,
            "seed": planned.seed,
            "metrics": metrics,
            "wall_s": round(time.monotonic() - begun, 1),
            "device": context.runtime.describe(),
            "versions": versions(),
        }
        context.runtime.ranks.once(lambda: write_json(cache, finished))
    if cache.is_file():
        context.say(f"{number}: {planned.title}: {_short(read_json(cache)['metrics'])}")


def _write(
    path: Path,
    recipe: Recipe,
    scale: Scale,
    context: Context,
    cells: Sequence[Planned],
    started: str,
    config: str,
    data: Mapping[str, str],
) -> None:
    """The result file of the cells that are cached, and its figures."""
    caches = [(planned, context.work / planned.cache) for planned in cells]
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
        "versions": versions(),
        "config_sha256": config,
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


def read_by(cells: Sequence[Planned], experiment: Experiment, context: Context) -> dict[str, str]:
    """Fingerprints of all that the cells read; a note where it has gone since the cells were made."""
    names = dict.fromkeys(name for cell in cells for name in sources_of(cell, experiment))
    return {name: _seen(name, context) for name in names}


def _seen(name: str, context: Context) -> str:
    if not context.where(name).exists():
        return "not at hand when this was written"
    other = context.instead.get(name)
    return ("" if other is None else f"{other}{STAND_IN}: ") + fingerprint(context.where(name))


def sources_of(planned: Planned, experiment: Experiment) -> tuple[str, ...]:
    """Names of what a cell reads below ``--data``."""
    return checked(experiment.settings, planned.settings, planned.title).sources(planned.key)


def _short(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items() if isinstance(value, float))
