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
        cells: each; whether it is cached or stands in a result that a run would add to; the seconds that it will take
            by ``basis``: 0 where it is done, None where no stored cell tells.
        data: what the cells read, and whether it is there.
        used_bytes, free_bytes: what the recipe's caches take now, and what their disk has left.
    """

    cells: list[tuple[Planned, bool, float | None]]
    data: dict[Path, bool]
    used_bytes: int
    free_bytes: int
    basis: str

    @property
    def seconds(self) -> float | None:
        """What all cells will take; None where it is not known of each."""
        known = [seconds for *_, seconds in self.cells if seconds is not None]
        return sum(known) if len(known) == len(self.cells) else None


def dry_run(this: Run, *, only: int | None = None) -> DryRun:
    """Look at what is there; nothing is run. ``only`` as :func:`faceshield.experiments.engine.run.run`.

    The seconds are the ``wall_s`` of the cells in the stored result of the same scale, which may be another machine's:
    ``basis`` says so. Raises UsageError where no cell has the number.
    """
    work, cells, stored = this.context.work, this.select(only), this.read_stored()
    result = read_json(this.path) if this.path.is_file() else {"cells": []}
    done = [cell.number in stored or this.cache(cell).is_file() for cell in cells]
    each = zip(cells, done, strict=True)
    return DryRun(
        [(cell, is_done, 0.0 if is_done else estimate([cell.key], result["cells"])) for cell, is_done in each],
        {path: path.exists() for path in map(this.context.locate, this.sources(cells))},
        sum(file.stat().st_size for file in work.rglob("*") if file.is_file()),
        shutil.disk_usage(next(folder for folder in (work, *work.absolute().parents) if folder.exists())).free,
        f"{this.path.name}, made on {result['device']}" if result["cells"] else f"no cell is stored in {this.path}",
    )
