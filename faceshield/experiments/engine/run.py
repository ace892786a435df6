"""Run a recipe cell by cell; a finished cell is cached by its configuration's hash, so a run resumes by itself."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

from faceshield.core.cache import load_or_make
from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.core.results import STAND_IN, Result
from faceshield.core.store import read_json, write_json
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment
from faceshield.experiments.engine.plan import Planned, digest_config, plan
from faceshield.experiments.engine.recipe import Recipe, Scale
from faceshield.models.weights import read_checksums
from faceshield.reports.benchmark import read_versions
from faceshield.reports.figures import draw_all
from faceshield.reports.results import estimate, read_stored_cells

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
    def cells(self) -> tuple[Planned, ...]:
        """The planned cells, with the fingerprints of their data where the experiment gives them."""
        return plan(self.recipe, self.scale, self.seeds, partial(self.experiment.fingerprint, context=self.context))

    def select(self, only: int | None) -> list[Planned]:
        """The cell of the number ``only``, those of ``seeds``, or all. Raises UsageError where none has the number."""
        if only is not None and not 1 <= only <= len(self.cells):
            raise UsageError(f"cell {only} does not exist; the recipe has cells 1 to {len(self.cells)} at this scale")
        seeds = [cell.seed for cell in self.cells] if self.seeds is None else self.seeds
        return [cell for cell in self.cells if only in (None, cell.number) and cell.seed in seeds]

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
        return {name: self._fingerprint(name) for name in self.sources(self.cells)}

    @cached_property
    def weights(self) -> dict[str, str]:
        """Checksums of the shipped weights that decide the cells."""
        return read_checksums(self.experiment.weights)

    def _fingerprint(self, name: str) -> str:
        path, other = self.context.locate(name), self.context.instead.get(name)
        if not path.exists():
            return "not at hand when this was written"
        return ("" if other is None else f"{other}{STAND_IN}: ") + fingerprint(path)

    def read_stored(self) -> dict[int, dict[str, Any]]:
        """The result file's cells by their numbers, see :func:`faceshield.reports.results.read_stored_cells`."""
        stored = read_stored_cells(self.path, digest_config(self.recipe, self.scale), self.data, self.weights)
        pairs = product(self.cells, stored)
        return {one.number: cell for one, cell in pairs if (one.key, one.seed) == (cell["key"], cell["seed"])}

    def read_finished(self) -> list[dict[str, Any]]:
        """The cells that are cached."""
        return [read_json(self.cache(cell)) for cell in self.cells if self.cache(cell).is_file()]


def run(this: Run, *, only: int | None = None, on_cell: OnCell | None = None) -> Path:
    """Run what is not cached and write ``results/<recipe id>.<scale>.json`` (all finished cells); returns its path.

    ``only`` runs a single cell by its number (from 1, as ``recipes show`` counts), ``this.seeds`` only those seeds;
    what stays open is listed in the file as ``not_run``. Interrupted, it writes the same file and passes the
    interruption on. Cached cells live in ``context.work``; those of an earlier file count too, where it was made by
    the same configuration on the same data with the same weights. ``on_cell(finished, all, seconds left or None)``
    reports on the cells that were asked for, and of no other. Several processes all run each cell, and share what
    training and noise share; the first one alone writes. Raises UsageError where no cell has the number.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    ranks, chosen = this.context.runtime.ranks, this.select(only)
    ranks.once(lambda: _restore_caches(this))
    try:
        for done, planned in enumerate(chosen):
            if on_cell is not None:
                waiting = [cell.key for cell in chosen if not this.cache(cell).is_file()]
                on_cell(done, len(chosen), estimate(waiting, this.read_finished()))
            _run_one(this, planned)
    except KeyboardInterrupt:
        if ranks.rank == 0 and this.read_finished():
            _write(this, started)
        raise
    if on_cell is not None:
        on_cell(len(chosen), len(chosen), 0)
    ranks.once(lambda: _write(this, started))
    return this.path


def _restore_caches(this: Run) -> None:
    """Write the caches that are gone, as in a fresh clone, from the stored result: the run then adds to it."""
    for number, cell in this.read_stored().items():
        path = this.cache(this.cells[number - 1])
        if not path.is_file():
            write_json(path, cell)


def _run_one(this: Run, planned: Planned) -> None:
    context, title = this.context, f"cell {planned.number} of {len(this.cells)}: {planned.title}"

    def make() -> dict[str, Any]:
        context.say(title)
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
    context.say(f"{title}: {', '.join(numbers)}")


def _write(this: Run, started: str) -> None:
    """The result file of the cells that are cached, and its figures."""
    recipe, scale, finished = this.recipe, this.scale, this.read_finished()
    waiting = [cell for cell in this.cells if not this.cache(cell).is_file()]
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
        "config_sha256": digest_config(recipe, scale),
        "data": this.data,
        **({"weights": this.weights} if this.weights else {}),
        "settings": recipe.at(scale),
        **({"own_matrix": True} if recipe.scales[scale].matrix else {}),
        "cells": finished,
        "not_run": [{"key": cell.key, "seed": cell.seed} for cell in waiting],
        "expected": [expected.model_dump(exclude_none=True) for expected in recipe.expected],
        "plots": [],
    }
    write_json(this.path, result)  # before the figures: hours of work must not depend on a plot's key
    result["plots"] = [plot.name for plot in draw_all(result, recipe.plots(), recipe.expected, this.path)]
    write_json(this.path, result)
