"""Cells of a stored result go on counting where their caches are gone, as in a fresh clone: a run adds to the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceshield.core.cache import digest_of
from faceshield.core.store import read_json, write_json
from faceshield.experiments.engine.plan import Planned

KEPT = ("key", "seed", "metrics", "wall_s")
ORIGIN = ("device", "versions")
"""Where and by what a cell was made, for a file may join what several machines ran. Where a cell does not tell, its
file does."""


def adopt(result: Path, config: str, data: Mapping[str, str], cells: Sequence[Planned], work: Path) -> None:
    """Write the caches that ``cells`` lack below ``work`` from the file ``result``; see :func:`stored`."""
    for planned, cell in zip(cells, stored(result, config, data, cells), strict=True):
        if cell is not None and not (work / planned.cache).is_file():
            write_json(work / planned.cache, cell)


def stored(result: Path, config: str, data: Mapping[str, str], cells: Sequence[Planned]) -> list[dict[str, Any] | None]:
    """What the file ``result`` holds of each of ``cells``, None for what it lacks.

    Only where the file was made by the same configuration on the same data: otherwise its cells are other ones. Raises
    StoreError for a file that is no JSON.
    """
    file = read_json(result) if result.is_file() else {}
    if file.get("config_sha256") != config or file.get("data") != data:
        return [None] * len(cells)
    found = {
        digest_of([cell["key"], cell["seed"]]): {
            **{name: cell[name] for name in KEPT},
            **{name: cell.get(name, file[name]) for name in ORIGIN},
        }
        for cell in file["cells"]
    }
    return [found.get(digest_of([planned.key, planned.seed])) for planned in cells]
