"""Cells of a stored result go on counting where their caches are gone, as in a fresh clone: a run adds to the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from faceshield.core.store import read_json, write_json
from faceshield.experiments.plan import Planned

KEPT = ("key", "seed", "metrics", "wall_s", "device")


def adopt(result: Path, config: str, data: Mapping[str, str], cells: Sequence[Planned], work: Path) -> None:
    """Write the caches that ``cells`` lack below ``work`` from the file ``result``.

    Only where the file was made by the same configuration on the same data: otherwise its cells are other ones, and
    nothing is written. Raises StoreError for a file that is no JSON.
    """
    if not result.is_file():
        return
    stored = read_json(result)
    if stored.get("config_sha256") != config or stored.get("data") != data:
        return
    for planned in cells:
        cache = work / planned.cache
        for cell in stored["cells"]:
            if not cache.is_file() and (cell["key"], cell["seed"]) == (planned.key, planned.seed):
                write_json(cache, {name: cell.get(name, stored["device"]) for name in KEPT})
