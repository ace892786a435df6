"""The trained networks and noises that come with the tool: one folder, one registry, checked before use.

``weights/registry.json`` maps a name to ``{file, sha256, bytes, licence, source, input}``. To add an entry put
the file (and NAME.md, its model card) into the folder and call ``register(folder, name, file, …)`` once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.core.shipped import list_places
from faceshield.core.store import read_json, read_tensors, sha256, write_json

VARIABLE = "FACESHIELD_WEIGHTS"
REGISTRY = "registry.json"


@dataclass(frozen=True)
class Entry:
    """What is known about one file: ``input`` says in words what it expects (size, range, colour order)."""

    file: str
    sha256: str
    bytes: int
    licence: str
    source: str
    input: str


def find_folder() -> Path:
    """Where the weights are: $FACESHIELD_WEIGHTS, else inside the package (installed) or beside it (source).

    Raises StoreError where none of them holds a registry.
    """
    chosen = os.environ.get(VARIABLE)
    places = [Path(chosen)] if chosen else list_places("weights")
    for place in places:
        if (place / REGISTRY).is_file():
            return place
    raise StoreError(
        f"{places[-1]}: has no {REGISTRY}; set {VARIABLE} to the weights folder of the source, or install again"
    )


def read_registry(place: Path | None = None) -> dict[str, Entry]:
    """All entries by name. Raises StoreError where the registry is absent or not one."""
    path = (place or find_folder()) / REGISTRY
    try:
        return {name: Entry(**fields) for name, fields in read_json(path).items()}
    except (AttributeError, TypeError) as error:
        raise StoreError(f"{path}: is not a registry of weights ({error}); restore it from the source") from error


def read_checksums(names: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each of the files ``names``, as registered: what was made with others is something else."""
    entries = read_registry() if names else {}
    return {name: entries[name].sha256 for name in names}


def digest_files(names: Sequence[str]) -> str:
    """:func:`read_checksums` as one text."""
    return " ".join(read_checksums(names).values())


def find_file(name: str) -> Path:
    """The file of ``name``, after its size and SHA-256 were checked.

    Raises StoreError for an unknown name and for a file that is missing or damaged.
    """
    place = find_folder()
    entries = read_registry(place)
    if name not in entries:
        raise StoreError(f"no weights are named {name!r}; {place / REGISTRY} knows {', '.join(sorted(entries))}")
    entry, path = entries[name], place / entries[name].file
    if not path.is_file():
        raise StoreError(f"{path}: is missing; restore it from the source, or set {VARIABLE} to a folder that has it")
    if path.stat().st_size != entry.bytes or sha256(path) != entry.sha256:
        raise StoreError(
            f"{path}: is damaged (not the {entry.bytes} bytes that {REGISTRY} names); restore it from the source"
        )
    return path


def load(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of ``name``, checked as in :func:`find_file`; tensors keep their stored precision."""
    return read_tensors(find_file(name))


def split_numbered(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The networks of one file, in float32: what "0.NAME", "1.NAME", … name, in this order; else raises KeyError."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, rest = name.split(".", 1)
        found.setdefault(number, {})[rest] = tensor.float()
    return [found[str(place)] for place in range(len(found))]


def register(place: Path, name: str, file: str, *, licence: str, source: str, input: str) -> Entry:
    """Enter (or replace) ``place/file`` in ``place``'s registry with its present size and hash.

    For whoever ships weights, not for users. Raises StoreError where the file is missing.
    """
    path = place / file
    if not path.is_file():
        raise StoreError(f"{path}: is missing; write it before it is registered")
    entries = read_registry(place) if (place / REGISTRY).is_file() else {}
    entry = Entry(file, sha256(path), path.stat().st_size, licence, source, input)
    entries[name] = entry
    write_json(place / REGISTRY, {key: asdict(entries[key]) for key in sorted(entries)})
    return entry
