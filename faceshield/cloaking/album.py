"""Which files are read, and where the output of each belongs. Originals are only ever read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.imaging.formats import PICTURES

_LONGEST_NAME = 255  # bytes, as file systems count


@dataclass(frozen=True)
class Item:
    """One photo.

    Attributes:
        source: the file.
        output: its path below the output folder; the suffix may change with the format.
    """

    source: Path
    output: Path


@dataclass(frozen=True)
class Album:
    """The photos of one run.

    Attributes:
        items: the photos in a stable order.
        ignored: files of the given folders that are not pictures.
    """

    items: tuple[Item, ...]
    ignored: tuple[Path, ...]


def gather(photos: Sequence[Path], out: Path | None = None) -> Album:
    """Collect the photos: a file whatever its name, a folder with all pictures below it but hidden ones.

    Raises UsageError for a path that does not exist, for an ``out`` that is a file, that lies inside a given folder, or
    where an output could overwrite an original.
    """
    target = None if out is None else out.resolve()
    if target is not None and _exists(target) and not target.is_dir():
        raise UsageError(f"{out}: is a file; the output must be a folder")
    items: list[Item] = []
    ignored: list[Path] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    for given in photos:
        there = _exists(given)
        if there and given.is_dir():
            root = given.resolve()
            if target is not None and root in (target, *target.parents):
                raise UsageError(f"{out}: lies inside the input folder {given}; choose a folder outside it")
            found = sorted(path for path in given.rglob("*") if path.is_file() and not _hidden(path.relative_to(given)))
            pairs = [(path, path.relative_to(given)) for path in found]
        elif there:
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
            items.append(Item(path, reserve(place, taken)))
    if not items:
        raise UsageError(f"{', '.join(map(str, photos)) or 'nothing'}: no photos there; give picture files or folders")
    if target is not None:
        _refuse_originals(items, target)
    return Album(tuple(items), tuple(ignored))


def refuse_foreign(album: Album, out: Path) -> None:
    """Raises UsageError where ``out`` already holds a picture with the name of an output, whatever its suffix."""
    for folder in sorted({(out / item.output).parent for item in album.items}):
        there = {fold_name(path): path for path in folder.iterdir()} if folder.is_dir() else {}
        pictures = {name: path for name, path in there.items() if path.suffix.lower() in PICTURES}
        for item in album.items:
            if (out / item.output).parent == folder and fold_name(out / item.output) in pictures:
                path = pictures[fold_name(out / item.output)]
                raise UsageError(f"{path}: exists already and was not made by this run; choose another output folder")


def _refuse_originals(items: Sequence[Item], target: Path) -> None:
    originals = {fold_name(item.source.resolve()): item.source for item in items}
    for item in items:
        place = target / item.output
        original = originals.get(fold_name(place.parent.resolve() / place.name))
        if original is not None:
            raise UsageError(f"{item.source}: would come out over the original {original}; choose another folder")


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be looked at ({reason}); check its name and permissions") from None
    return True


def fold_name(place: Path) -> str:
    """``place`` without suffix and letter case: two outputs must differ in it, or one could overwrite the other."""
    return str(place.with_suffix("")).casefold()


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def reserve(place: Path, taken: set[str]) -> Path:
    """Add a free name to ``taken`` and return it: ``place``, with a number where another input has that name.

    Names that differ in suffix or letter case alone count as the same.
    """
    found = next(candidate for candidate in number_names(place) if fold_name(candidate) not in taken)
    taken.add(fold_name(found))
    return found


def number_names(place: Path) -> Iterator[Path]:
    """Yield ``place``, then the same with -2, -3 … before its suffix, each cut to the longest allowed name."""
    for number in count(1):
        name, end = place.with_suffix("").name, place.suffix if number == 1 else f"-{number}{place.suffix}"
        while len(name) > 1 and len(os.fsencode(name + end)) > _LONGEST_NAME:
            name = name[:-1]
        yield place.with_name(name + end)
