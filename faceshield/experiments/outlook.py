"""What a run would do, before it is begun: cells, data, disk and hours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.core.store import read_json
from faceshield.experiments.adopt import stored
from faceshield.experiments.plan import Planned, config_sha256, estimate
from faceshield.experiments.recipe import Key, Recipe, Scale
from faceshield.experiments.run import Context, Experiment, planned_cells, read_by, sources_of


@dataclass(frozen=True)
class Outlook:
    """``each[i]`` is the seconds that ``cells[i]`` will take by ``basis``: None where nothing is known to go by, and 0
    for one that is done or not among the seeds that were asked for.

    ``done[i]`` is whether it is cached, or stands in a result that a run would add to; ``data`` maps what the cells
    read to whether it is there; ``used_bytes`` is what the recipe's caches take now, ``free_bytes`` what their disk has
    left.
    """

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


def outlook(
    recipe: Recipe,
    scale: Scale,
    experiment: Experiment,
    context: Context,
    results: Path,
    *,
    seeds: Sequence[int] | None = None,
    probe: bool = False,
) -> Outlook:
    """Look at what is there; nothing is run, but for ``probe``: a few steps of the open cells.

    The hours come from finished cells: cached ones, else those of the stored result (which may be from another
    machine: ``basis`` says so). Raises UsageError for ``probe`` where the experiment offers none.
    """
    cells = planned_cells(recipe, scale, experiment, context, seeds)
    caches = [context.work / cell.cache for cell in cells]
    file = results / f"{recipe.id}.{scale}.json"
    kept = stored(file, config_sha256(recipe, scale), read_by(cells, experiment, context), cells)
    done = tuple(cache.is_file() or cell is not None for cache, cell in zip(caches, kept, strict=True))
    to_run = [not is_done and (seeds is None or cell.seed in seeds) for cell, is_done in zip(cells, done, strict=True)]
    open_ = [cell for cell, wanted in zip(cells, to_run, strict=True) if wanted]
    timed, basis = _timed(cells, caches), "cells finished here"
    if not timed:
        timed, basis = _stored(file)
    taken: Iterator[float | None] = (estimate([cell.key], timed) for cell in open_)
    if probe:
        taken, basis = iter(_probed(open_, experiment, context)), "a probe of a few steps"
    names = dict.fromkeys(name for cell in cells for name in sources_of(cell, experiment))
    return Outlook(
        tuple(cells),
        done,
        {context.where(name): context.where(name).exists() for name in names},
        sum(file.stat().st_size for file in context.work.rglob("*") if file.is_file()),
        shutil.disk_usage(_existing(context.work)).free,
        tuple(next(taken) if wanted else 0.0 for wanted in to_run),
        basis,
    )


def _timed(cells: Sequence[Planned], caches: Sequence[Path]) -> list[tuple[Key, float]]:
    pairs = zip(cells, caches, strict=True)
    return [(cell.key, read_json(cache)["wall_s"]) for cell, cache in pairs if cache.is_file()]


def _stored(path: Path) -> tuple[list[tuple[Key, float]], str]:
    if not path.is_file():
        return [], "nothing"
    result = read_json(path)
    return [(cell["key"], cell["wall_s"]) for cell in result["cells"]], f"{path.name}, made on {result['device']}"


def _probed(open_: Sequence[Planned], experiment: Experiment, context: Context) -> Sequence[float]:
    if experiment.probe is None:
        raise UsageError("this experiment offers no probe; run one cell (--cell 0) and ask for the plan again")
    return experiment.probe(open_, context)


def _existing(path: Path) -> Path:
    """``path`` or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
