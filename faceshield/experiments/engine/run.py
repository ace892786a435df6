"""Run a recipe cell by cell; a finished cell is cached by its configuration's hash, so a run resumes by itself."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from faceshield.core.cache import digest_json, load_or_make
from faceshield.core.fingerprint import fingerprint
from faceshield.core.results import STAND_IN, Result
from faceshield.core.store import read_json, write_json
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.plan import Plan, Planned, plan
from faceshield.experiments.engine.recipe import Recipe, Scale
from faceshield.reports.benchmark import read_versions
from faceshield.reports.figures import draw_all
from faceshield.reports.results import estimate, stored_cells

OnCell = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class Run:
    """A recipe at one scale, what runs its cells, and the folder ``results``; ``seeds`` may add to the recipe's."""

    recipe: Recipe
    scale: Scale
    experiment: Experiment[Any, Any]
    context: Context
    results: Path
    seeds: Sequence[int] | None = None

    @cached_property
    def plan(self) -> Plan:
        """The cells, with the fingerprints of their data where the experiment gives them."""
        return plan(self.recipe, self.scale, self.seeds, partial(self.experiment.fingerprint, context=self.context))

    @property
    def path(self) -> Path:
        """The result file."""
        return self.results / f"{self.recipe.id}.{self.scale}.json"

    def cache(self, cell: Planned) -> Path:
        """The file that keeps the finished cell."""
        return self.context.work / cell.cache

    def sources(self, cells: Sequence[Planned]) -> list[str]:
        """Names of what the cells read below ``--data``, each once."""
        return list(dict.fromkeys(name for cell in cells for name in self.experiment.sources(cell.key, cell.settings)))

    @cached_property
    def data(self) -> dict[str, str]:
        """Fingerprints of all that the cells read; a note where it has gone since the cells were made."""
        return {name: self._fingerprint(name) for name in self.sources(self.plan.cells)}

    def _fingerprint(self, name: str) -> str:
        path, other = self.context.locate(name), self.context.instead.get(name)
        if not path.exists():
            return "not at hand when this was written"
        return ("" if other is None else f"{other}{STAND_IN}: ") + fingerprint(path)

    def read_stored(self) -> list[dict[str, Any] | None]:
        """What the result file holds of each cell of the plan, see :func:`faceshield.reports.results.stored_cells`."""
        found = stored_cells(self.path, self.plan.config_sha256, self.data)
        return [found.get(digest_json([cell.key, cell.seed])) for cell in self.plan.cells]


def run(this: Run, *, only: int | None = None, on_cell: OnCell | None = None) -> Path:
    """Run what is not cached and write ``results/<recipe id>.<scale>.json`` (all finished cells); returns its path.

    ``only`` runs a single cell by its number (from 1, as ``recipes show`` counts), ``this.seeds`` only those seeds;
    what stays open is listed in the file as ``not_run``. Interrupted, it writes the same file and passes the
    interruption on. Cached cells live in ``context.work``; those of an earlier file count too, where it was made by
    the same configuration on the same data. ``on_cell(finished, all, seconds left or None)`` reports on the cells
    that were asked for, and of no other. Several processes all run each cell, and share what training and noise share;
    the first one alone writes. Raises UsageError where no cell has the number.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    ranks = this.context.runtime.ranks
    cells, chosen = this.plan.cells, this.plan.select(only, this.seeds)
    ranks.once(lambda: _restore_caches(this))
    try:
        for done, number in enumerate(chosen):
            if on_cell is not None:
                on_cell(done, len(chosen), _seconds_left(this, [cells[each - 1] for each in chosen]))
            _run_one(this, cells[number - 1], f"cell {number} of {len(cells)}")
    except KeyboardInterrupt:
        if ranks.rank == 0 and any(this.cache(cell).is_file() for cell in cells):
            _write(this, started)
        raise
    if on_cell is not None:
        on_cell(len(chosen), len(chosen), 0)
    ranks.once(lambda: _write(this, started))
    return this.path


def _restore_caches(this: Run) -> None:
    """Write the caches that are gone, as in a fresh clone, from the stored result: the run then adds to it."""
    for planned, cell in zip(this.plan.cells, this.read_stored(), strict=True):
        if cell is not None and not this.cache(planned).is_file():
            write_json(this.cache(planned), cell)


def _seconds_left(this: Run, chosen: Sequence[Planned]) -> float | None:
    """What the cells that were asked for will still take, by all that are finished; None without any."""
    done = [(cell.key, read_json(this.cache(cell))["wall_s"]) for cell in this.plan.cells if this.cache(cell).is_file()]
    return estimate([cell.key for cell in chosen if not this.cache(cell).is_file()], done)


def _run_one(this: Run, planned: Planned, number: str) -> None:
    context = this.context

    def make() -> dict[str, Any]:
        context.say(f"{number}: {planned.title}")
        begun = time.monotonic()
        metrics = this.experiment.run(planned.key, planned.seed, planned.settings, context)
        return {
            "key": planned.key,
            "seed": planned.seed,
            "metrics": metrics,
            "wall_s": round(time.monotonic() - begun, 1),
            "device": context.runtime.describe(),
            "versions": read_versions(),
        }

    cell = load_or_make(this.cache(planned), read_json, make, write_json, context.runtime.ranks)
    numbers = (f"{name} {value:.3g}" for name, value in cell["metrics"].items() if isinstance(value, float))
    context.say(f"{number}: {planned.title}: {', '.join(numbers)}")


def _write(this: Run, started: str) -> None:
    """The result file of the cells that are cached, and its figures."""
    recipe, scale, cells = this.recipe, this.scale, this.plan.cells
    finished = [read_json(this.cache(cell)) for cell in cells if this.cache(cell).is_file()]
    waiting = [cell for cell in cells if not this.cache(cell).is_file()]
    instead = "".join(f" --instead {name}={other}" for name, other in this.context.instead.items())
    here = this.context.runtime.describe()
    result: Result = {
        "recipe": recipe.id,
        "scale": scale,
        "claim": recipe.claim,
        "command": f"faceshield recipes run {recipe.id} --scale {scale}{instead}",
        "device": "; ".join(dict.fromkeys(done.get("device", here) for done in finished)) or here,
        "started": started,
        "wall_s": round(sum(done["wall_s"] for done in finished), 1),
        "versions": read_versions(),
        "config_sha256": this.plan.config_sha256,
        "data": this.data,
        "settings": recipe.at(scale),
        **({"own_matrix": True} if "matrix" in recipe.scales[scale] else {}),
        "cells": finished,
        "not_run": [{"key": cell.key, "seed": cell.seed} for cell in waiting],
        "expected": [expected.model_dump(exclude_none=True) for expected in recipe.expected],
        "plots": [],
    }
    write_json(this.path, result)  # before the figures: hours of work must not depend on a plot's key
    result["plots"] = [plot.name for plot in draw_all(result, recipe.plots(), recipe.expected, this.path)]
    write_json(this.path, result)
