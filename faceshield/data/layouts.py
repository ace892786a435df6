"""Face data sets as they are unpacked: who is in which file, without opening a picture.

A folder's kind is recognised by what lies in it: CelebA by its identity_CelebA.txt, VGGFace2 by its nNNNNNN folders,
CASIA-WebFace by its seven-digit folders, LFW by NAME/NAME_0001.jpg; any other tree of one folder a person is a "tree".
"""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import UsageError
from faceshield.imaging.formats import PICTURES

_CELEBA = "identity_CelebA.txt"
_CELEBA_PHOTOS = {  # folder → its landmarks; the folder of whole photos is preferred
    "img_celeba": "list_landmarks_celeba.txt",
    "img_align_celeba": "list_landmarks_align_celeba.txt",
    "img_align_celeba_png": "list_landmarks_align_celeba.txt",
}
_LFW = {"": "lfw", "funneled": "lfw-funneled", "deepfunneled": "lfw-deepfunneled"}
_SPLITS = ("train", "test", "val")


@dataclass(frozen=True)
class FaceIndex:
    """kind "celeba" | "vggface2" | "casia-webface" | "lfw" | "lfw-funneled" | "lfw-deepfunneled" | "tree"

    ids[i] PERSON/FILE, sorted · people[i] who it shows · paths[i] where it lies · landmarks (n, 5, 2) float32 x, y in
    the picture's pixels (left eye, right eye, nose, left and right mouth corner as seen), NaN where the list lacks a
    picture, or None where there is no list · notes: what a user should know, a sentence each.
    """

    kind: str
    ids: tuple[str, ...]
    people: tuple[str, ...]
    paths: tuple[Path, ...]
    landmarks: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read_layout(root: Path) -> FaceIndex:
    """The index of a face data set's folder, or of one of its splits. Nothing is decoded; symbolic links are followed.

    Pictures of nobody known, and people with one picture (no pair of the same person can be made of them), are told in
    ``notes``. Raises UsageError where there is no picture with an identity, or a list of the data set is broken.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: is no folder; give the folder of the unpacked data set")
    if (root / _CELEBA).is_file() or (root / "Anno" / _CELEBA).is_file():
        return _celeba(root)
    splits = [name for name in _SPLITS if (root / name).is_dir()]
    if splits and all(re.fullmatch(r"n\d{6}", name) for split in splits for name in _folders(root / split)):
        return _read_people(root, "vggface2", splits)
    names = _folders(root)
    if not names:
        raise UsageError(
            f"{root}: has neither folders of people nor {_CELEBA}; expected one folder a person with pictures in it"
        )
    if all(re.fullmatch(r"n\d{6}", name) for name in names):
        return _read_people(root, "vggface2")
    if all(re.fullmatch(r"\d{7}", name) for name in names):
        return _read_people(root, "casia-webface")
    index = _read_people(root, "tree")
    if all(re.fullmatch(rf"{re.escape(person)}_\d{{4}}\.\w+", path.name) for person, path in _pairs(index)):
        word = re.sub(r"[^a-z]", "", root.resolve().name.lower()).removeprefix("lfw")
        return FaceIndex(_LFW.get(word, "lfw"), index.ids, index.people, index.paths, None, index.notes)
    return index


def _pairs(index: FaceIndex) -> Iterable[tuple[str, Path]]:
    return zip(index.people, index.paths, strict=True)


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _pictures(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.name.lower().endswith(PICTURES) and not e.name.startswith("."))


def _read_people(root: Path, kind: str, splits: Iterable[str] = ("",)) -> FaceIndex:
    found: list[tuple[str, str, Path]] = []
    loose, empty = [], []
    for split in splits:
        loose += [split + name for name in _pictures(root / split)]
        for person in _folders(root / split):
            pictures = _pictures(root / split / person)
            found += [(f"{person}/{name}", person, root / split / person / name) for name in pictures]
            if not pictures:
                empty.append(person)
    notes = _note(loose, "lies beside the folders of people: of whom it is is not known, it is left out", "picture")
    notes += _note(empty, "has no pictures in it", "folder")
    return _index(root, kind, found, notes, _vggface2_landmarks(root) if kind == "vggface2" else None)


def _celeba(root: Path) -> FaceIndex:
    lists = root if (root / _CELEBA).is_file() else root / "Anno"
    photos = next((name for name in _CELEBA_PHOTOS if (root / name).is_dir()), None)
    photos = photos or next((f"Img/{name}" for name in _CELEBA_PHOTOS if (root / "Img" / name).is_dir()), None)
    if photos is None:
        raise UsageError(f"{root}: has {_CELEBA} but none of {', '.join(_CELEBA_PHOTOS)}; unpack the pictures there")
    here = root / photos
    rows = _rows(lists / _CELEBA, 2, 0)
    people = {name: f"{int(person):05d}" if person.isdecimal() else person for name, person in rows}
    present = _pictures(here)
    stems = {Path(name).stem: person for name, person in people.items()}  # the aligned set also comes as PNG
    found = [(f"{stems[Path(n).stem]}/{n}", stems[Path(n).stem], here / n) for n in present if Path(n).stem in stems]
    notes = _note([name for name in present if Path(name).stem not in stems], f"is not in {_CELEBA}", "picture")
    if (missing := len(stems) - len(found)) > 0:
        notes.append(f"{missing} of the {len(stems)} pictures in {_CELEBA} are not in {photos}")
    marks = lists / _CELEBA_PHOTOS[Path(photos).name]
    table = None
    if marks.is_file():
        table = {Path(row[0]).stem: _points(marks, row) for row in _rows(marks, 11, 2)}
    return _index(root, "celeba", found, notes, table)


def _index(
    root: Path,
    kind: str,
    found: list[tuple[str, str, Path]],
    notes: list[str],
    table: dict[str, NDArray[np.float32]] | None,
) -> FaceIndex:
    if not found:
        note = f" ({notes[0]})" if notes else ""
        raise UsageError(
            f"{root}: holds no picture of a known person{note}; expected PERSON/FILE, {', '.join(PICTURES)}"
        )
    found.sort()
    for one, other in itertools.pairwise(found):
        if one[0] == other[0]:
            raise UsageError(f"{one[2]} and {other[2]}: have one id, {one[0]!r}; rename one of them")
    ids, people, paths = zip(*found, strict=True)
    single = sorted(person for person, count in Counter(people).items() if count == 1)
    notes += _note(single, "has one picture: no pair of the same person can be made of it", "person")
    landmarks = None
    if table is not None:
        unknown = np.full((5, 2), np.nan, np.float32)
        key = (lambda id: Path(id).stem) if kind == "celeba" else (lambda id: id.rpartition(".")[0])
        landmarks = np.stack([table.get(key(id), unknown) for id in ids])
    return FaceIndex(kind, tuple(ids), tuple(people), tuple(paths), landmarks, tuple(notes))


def _note(names: list[str], what: str, noun: str) -> list[str]:
    """One sentence for all of ``names``, or none."""
    if not names:
        return []
    others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return [f"{noun} {names[0]}{others} {what}"]


def _vggface2_landmarks(root: Path) -> dict[str, NDArray[np.float32]] | None:
    """From bb_landmark/loose_landmark_*.csv (header NAME_ID,P1X,P1Y,…), beside the splits or beside ``root``."""
    folders = [root / "bb_landmark", root.parent / "bb_landmark"]
    files = sorted(path for folder in folders if folder.is_dir() for path in folder.glob("loose_landmark_*.csv"))
    table: dict[str, NDArray[np.float32]] = {}
    for path in files:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))[1:]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"{path}: cannot be read ({error}); restore it or move it away") from None
        table.update((row[0], _points(path, row)) for row in rows if row)
    return table if files else None


def _points(path: Path, row: list[str]) -> NDArray[np.float32]:
    try:
        return np.array(row[1:11], np.float32).reshape(5, 2)
    except ValueError:
        raise UsageError(f"{path}: the line of {row[0]!r} holds no ten coordinates; restore the file") from None


def _rows(path: Path, columns: int, header: int) -> list[list[str]]:
    """The words of each line below ``header`` lines. Raises UsageError with the number of a line of another length."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); restore it") from None
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows[header:], header + 1):
        if row and len(row) != columns:
            raise UsageError(f"{path}: line {number}: expected {columns} words, found {len(row)}; restore the file")
    return [row for row in rows[header:] if row]
