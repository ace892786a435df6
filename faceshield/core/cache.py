"""Work that is done once: its result lies under a name that says all that decides it, and is read the next time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from faceshield.core.ranks import ALONE, Ranks
from faceshield.core.store import read_tensors, sha256, write_tensors

T = TypeVar("T")
Tensors = tuple[Mapping[str, Tensor], Mapping[str, Any]]
"""What a safetensors file holds: its tensors, and its JSON metadata."""


def load_or_make(
    path: Path,
    load: Callable[[Path], T],
    make: Callable[[], T],
    save: Callable[[Path, T], object],
    ranks: Ranks = ALONE,
    *,
    fresh: bool = False,
) -> T:
    """``load(path)`` where the file exists, else ``make()``, which ``save(path, made)`` writes; always so if ``fresh``.

    Several processes all make it, and share what making shares; the first one alone writes. Raises what the three
    raise.
    """
    if path.is_file() and not fresh:
        return load(path)
    made = make()
    ranks.once(lambda: save(path, made))
    return made


def load_or_make_tensors(path: Path, make: Callable[[], Tensors], ranks: Ranks = ALONE) -> Tensors:
    """:func:`load_or_make` of a safetensors file; ``make()`` gives tensors and metadata.

    Raises StoreError where the file is damaged or cannot be written.
    """
    return load_or_make(path, read_tensors, make, lambda target, made: write_tensors(target, *made), ranks)


def digest_json(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys, hexadecimal."""
    return sha256(json.dumps(value, sort_keys=True).encode())


def shard_path(folder: Path, digest: str) -> Path:
    """A safetensors file for a hexadecimal ``digest``, in one of 256 folders below ``folder``: there will be many."""
    return folder / digest[:2] / f"{digest[2:34]}.safetensors"
