"""What a run would do, before it is begun: cells, data, disk and hours."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from faceshield.core.store import read_json
from faceshield.experiments.engine.plan import Planned
from faceshield.experiments.engine.run import Run
from faceshield.reports.results import estimate


@dataclass(frozen=True)
class DryRun:
    """What a run of the cells that were asked for would find.

    Attributes:
        numbers, cells: the cells, and their numbers from 1.
        done: of each, whether it is cached or stands in a result that a run would add to.
        data: what the cells read, and whether it is there.
        used_bytes, free_bytes: what the recipe's caches take now, and what their disk has left.
        each: the seconds that a cell will take by ``basis``; None where no stored cell tells, 0 where it is done.
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


def dry_run(this: Run, *, only: int | None = None) -> DryRun:
    """Look at what is there; nothing is run. ``only`` as :func:`faceshield.experiments.engine.run.run`.

    The seconds are the ``wall_s`` of the cells in the stored result of the same scale, which may be another machine's:
    ``basis`` says so. Raises UsageError where no cell has the number.
    """
    context = this.context
    numbers, stored = this.plan.select(only, this.seeds), this.read_stored()
    cells = tuple(this.plan.cells[number - 1] for number in numbers)
    done = tuple(
        this.cache(cell).is_file() or stored[number - 1] is not None
        for number, cell in zip(numbers, cells, strict=True)
    )
    result = read_json(this.path) if this.path.is_file() else {"cells": []}
    timed = [(cell["key"], cell["wall_s"]) for cell in result["cells"]]
    folder = next(folder for folder in (context.work, *context.work.absolute().parents) if folder.exists())
    return DryRun(
        tuple(numbers),
        cells,
        done,
        {path: path.exists() for path in map(context.locate, this.sources(cells))},
        sum(file.stat().st_size for file in context.work.rglob("*") if file.is_file()),
        shutil.disk_usage(folder).free,
        tuple(0.0 if is_done else estimate([cell.key], timed) for cell, is_done in zip(cells, done, strict=True)),
        f"{this.path.name}, made on {result['device']}" if timed else f"no cell is stored in {this.path}",
    )
