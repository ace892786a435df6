"""Which files go in and where each comes out. Originals are only ever read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceshield.core.errors import UsageError

PICTURES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .heic .heif .avif .bmp .gif .mpo".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Item:
    """One photo: where it is, and its place below the output folder (the suffix may change with the format)."""

    source: Path
    place: Path


@dataclass(frozen=True)
class Album:
    """The photos of one run in a stable order, and the files of the given folders that are no pictures."""

    items: tuple[Item, ...]
    ignored: tuple[Path, ...]


def gather(photos: Sequence[Path], out: Path) -> Album:
    """Files are taken as they are named, folders with everything below them (hidden files and ``out`` aside).

    Raises UsageError for a path that does not exist, for an ``out`` that is a file, or that lies in or around a given
    folder's own files (an output there could overwrite an original).
    """
    target = out.resolve()
    if target.exists() and not target.is_dir():
        raise UsageError(f"{out}: is a file; the output must be a folder")
    items: list[Item] = []
    ignored: list[Path] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    for given in photos:
        if given.is_dir():
            root = given.resolve()
            if target == root or root in target.parents:
                raise UsageError(f"{out}: lies inside the input folder {given}; choose a folder outside it")
            found = sorted(path for path in given.rglob("*") if path.is_file() and not _hidden(path.relative_to(given)))
            pairs = [(path, path.relative_to(given)) for path in found]
        elif given.exists():
            pairs = [(given, Path(given.name))]
        else:
            raise UsageError(f"{given}: no such file or folder")
        for path, place in pairs:
            if given.is_dir() and path.suffix.lower() not in PICTURES:
                ignored.append(path)
                continue
            real = path.resolve()
            if real in seen:
                continue
            if real.parent == target:
                raise UsageError(f"{out}: holds the original {path.name}; choose another output folder")
            seen.add(real)
            items.append(Item(path, _free(place, taken)))
    if not items:
        raise UsageError(f"{', '.join(map(str, photos)) or 'nothing'}: no photos there; give picture files or folders")
    return Album(tuple(items), tuple(ignored))


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _free(place: Path, taken: set[str]) -> Path:
    """``place``, numbered where another input already comes out there under any suffix and any letter case."""
    stem, number = place.with_suffix(""), 1
    name = str(stem)
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return Path(name + place.suffix)
