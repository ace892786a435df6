"""Pairs of photos, same person or not, in folds: LFW's list, our own CSV, or drawn from an identity split."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator

_ENUMERABLE = 4_000_000  # pairs that are listed one and all before drawing; beyond, drawn and drawn again
COLUMNS = ("left", "right", "same")


@dataclass(frozen=True)
class PairSet:
    """left[i], right[i]: photo ids PERSON/FILE · same (P,) bool · fold (P,) int64 from 0."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)

    def ids(self) -> tuple[str, ...]:
        """Every photo named, once, in sorted order."""
        return tuple(sorted({*self.left, *self.right}))

    def people(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """(names, (P, 2) int64): who stands left and right in each pair, as an index into the sorted names.

        Raises UsageError where an id names no person, as in a pack of bare pictures.
        """
        sides = [[parse_person(id) for id in side] for side in (self.left, self.right)]
        if not all(name for side in sides for name in side):
            raise UsageError("the photos' ids name no person (PERSON/FILE); who they show is not known")
        names, index = np.unique(np.array(sides).reshape(2, -1), return_inverse=True)
        return tuple(names.tolist()), index.reshape(2, -1).T.astype(np.int64)

    def people_in_several_folds(self) -> tuple[str, ...]:
        """Who stands in pairs of more than one fold; none in a sound protocol, LFW's official folds included."""
        names, index = self.people()
        first = np.full(len(names), self.fold.max(initial=0) + 1)
        last = np.full(len(names), -1)
        for side in (0, 1):
            np.minimum.at(first, index[:, side], self.fold)
            np.maximum.at(last, index[:, side], self.fold)
        return tuple(names[i] for i in np.flatnonzero(first < last).tolist())

    def require(self, root: Path) -> None:
        """Raises UsageError, with their number and the first, where photos of the pairs are not under ``root``."""
        absent = [id for id in self.ids() if not (root / id).is_file()]
        if absent:
            raise UsageError(
                f"{root}: lacks {len(absent)} of the {len(self.ids())} photos that the pairs name, first {absent[0]!r};"
                " give the folder that holds one folder a person"
            )


def parse_person(id: str) -> str:
    """The person in an id PERSON/FILE; "" where there is none."""
    return id.rpartition("/")[0]


def read_pairs(path: Path, suffix: str = ".jpg") -> PairSet:
    """LFW's ``pairs.txt`` (also ``pairsDev*.txt``, one fold), or a CSV with the header left,right,same[,fold].

    LFW: a first line "FOLDS PAIRS" (or "PAIRS"), then for each fold PAIRS lines "NAME i j" (same) and PAIRS lines
    "NAME i OTHER j", separated by tabs or spaces; photo i of NAME has the id NAME/NAME_000i + ``suffix``. CSV: ids as
    they are, same 1|0|true|false, fold a whole number from 0 (0 when left out). Raises UsageError with the line's
    number for anything else, for a pair of a photo with itself, and for a pair that stands there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; give LFW's pairs.txt or a CSV left,right,same[,fold]") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text ({error}); give LFW's pairs.txt or a CSV") from None
    first = lines[0].split() if lines else []
    if first and len(first) <= 2 and all(word.isdecimal() for word in first):
        pairs = _lfw(path, lines, suffix)
    elif lines and [word.strip().lower() for word in lines[0].split(",")][:3] == list(COLUMNS):
        pairs = _csv(path, lines)
    else:
        raise UsageError(
            f"{path}: is no list of pairs; it must begin with LFW's 'FOLDS PAIRS' or with the header"
            " left,right,same[,fold] (two columns do not say who is the same person)"
        )
    seen: dict[tuple[str, str], int] = {}
    for number, (left, right) in enumerate(zip(pairs.left, pairs.right, strict=True), 1):
        if left == right:
            raise UsageError(f"{path}: pair {number} compares {left!r} with itself; take it out")
        key = (min(left, right), max(left, right))
        if seen.setdefault(key, number) != number:
            raise UsageError(f"{path}: pair {number} ({left}, {right}) stands there twice, first as pair {seen[key]}")
    return pairs


def _lfw(path: Path, lines: list[str], suffix: str) -> PairSet:
    folds, each = [1, *map(int, lines[0].split())][-2:]
    if not folds * each:
        raise UsageError(f"{path}: its first line promises no pairs; restore the file")
    rows = [line.split() for line in lines[1:] if line.strip()]
    if len(rows) != 2 * folds * each:
        raise UsageError(
            f"{path}: has {len(rows)} pairs, its first line promises {folds} × 2 × {each}; restore the file"
        )
    left, right, same, fold = [], [], [], []
    for number, row in enumerate(rows):
        alike = number % (2 * each) < each
        a, i, b, j = ([row[0], row[1], row[0], row[2]] if alike else row) if len(row) == 4 - alike else [""] * 4
        if not (a and i.isdecimal() and j.isdecimal()):
            wanted = "NAME i j" if alike else "NAME i OTHER j"
            raise UsageError(f"{path}: line {number + 2}: expected {wanted!r} there, found {' '.join(row)!r}")
        if not alike and a == b:
            raise UsageError(f"{path}: line {number + 2}: {a} stands on both sides of a pair of different people")
        left.append(f"{a}/{a}_{int(i):04d}{suffix}")
        right.append(f"{b}/{b}_{int(j):04d}{suffix}")
        same.append(alike)
        fold.append(number // (2 * each))
    return PairSet(tuple(left), tuple(right), np.array(same, np.bool_), np.array(fold, np.int64))


def _csv(path: Path, lines: list[str]) -> PairSet:
    words = {"1": True, "true": True, "0": False, "false": False}
    left, right, same, fold = [], [], [], []
    for number, row in enumerate(_rows(path, lines[1:]), 2):
        if not row:
            continue
        cells = [cell.strip() for cell in row]
        where = cells[3] if len(cells) == 4 else "0"
        known = cells[2].lower() in words if len(cells) in (3, 4) else False
        if not known or not where.isdecimal() or len(where) > 4 or "" in cells[:2]:
            raise UsageError(f"{path}: line {number}: expected left,right,1|0[,fold], found {','.join(row)!r}")
        left.append(cells[0])
        right.append(cells[1])
        same.append(words[cells[2].lower()])
        fold.append(int(where))
    if not left:
        raise UsageError(f"{path}: names no pairs; add lines left,right,1|0[,fold] below its header")
    return PairSet(tuple(left), tuple(right), np.array(same, np.bool_), np.array(fold, np.int64))


def _rows(path: Path, lines: list[str]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise UsageError(f"{path}: cannot be read as CSV ({error})") from None


def sample_pairs(
    ids: Sequence[str],
    people: Sequence[str],
    *,
    same: int = 3000,
    different: int = 3000,
    folds: int = 10,
    seed: int = 0,
) -> PairSet:
    """``same`` + ``different`` pairs of the photos ``ids``, ``people[i]`` being who ``ids[i]`` shows (paper §4.5).

    People are dealt to ``folds`` at random and pairs are drawn within a fold, so that no person stands in two; each
    fold gets an equal share. Every possible pair of a fold is equally likely, none comes twice and none pairs a photo
    with itself. Neither the draw nor its order depends on the order of ``ids``. Raises UsageError where a fold cannot
    give its share.
    """
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    names = sorted(set(people))
    if len(set(ids)) != len(ids) or len(ids) != len(people):
        raise UsageError(f"{len(ids)} ids of {len(people)} people's entries: ids must differ, each with its person")
    if folds < 1 or same % folds or different % folds:
        raise UsageError(f"{same} + {different} pairs do not split into {folds} equal folds; choose multiples of it")
    rng = generator(seed, "pairs")
    dealt = dict(zip(names, (torch.randperm(len(names), generator=rng) % folds).tolist(), strict=True))
    left, right = [], []
    for fold in range(folds):
        members = np.array([i for i in order if dealt[people[i]] == fold], np.int64)
        label = np.unique([people[i] for i in members], return_inverse=True)[1].astype(np.int64)
        for wanted, alike in ((same // folds, True), (different // folds, False)):
            a, b = _draw(label, wanted, alike, rng)
            left += [ids[i] for i in members[a].tolist()]
            right += [ids[i] for i in members[b].tolist()]
    block = np.repeat([True, False], [same // folds, different // folds])
    fold_of = np.repeat(np.arange(folds), len(block)).astype(np.int64)
    return PairSet(tuple(left), tuple(right), np.tile(block, folds), fold_of)


def _draw(
    label: NDArray[np.int64], wanted: int, alike: bool, rng: torch.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``wanted`` distinct index pairs a < b with equal (or unequal) labels, uniformly."""
    n, counts = len(label), np.bincount(label)
    within = int((counts * (counts - 1) // 2).sum())
    possible = within if alike else n * (n - 1) // 2 - within
    if wanted > possible:
        kind = "of one person" if alike else "of two people"
        raise UsageError(
            f"a fold of {len(counts)} people and {n} photos has {possible} pairs {kind}, {wanted} were asked for;"
            " ask for fewer pairs or folds"
        )
    if alike or n * (n - 1) // 2 <= _ENUMERABLE:
        a, b = _list_pairs(label, alike)
        chosen = torch.randperm(len(a), generator=rng)[:wanted].numpy()
        return a[chosen], b[chosen]
    codes = np.zeros(0, np.int64)
    while len(codes) < wanted:
        ends = np.sort(torch.randint(n, (2 * wanted, 2), generator=rng).numpy(), axis=1)
        ends = ends[label[ends[:, 0]] != label[ends[:, 1]]]
        fresh = np.concatenate([codes, ends[:, 0] * n + ends[:, 1]])
        codes = fresh[np.sort(np.unique(fresh, return_index=True)[1])]
    return codes[:wanted] // n, codes[:wanted] % n


def _list_pairs(label: NDArray[np.int64], alike: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not alike:
        a, b = np.triu_indices(len(label), 1)
        apart = label[a] != label[b]
        return a[apart], b[apart]
    sides: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for person in range(int(label.max(initial=-1)) + 1):
        of_person = np.flatnonzero(label == person)
        a, b = np.triu_indices(len(of_person), 1)
        sides.append((of_person[a], of_person[b]))
    return np.concatenate([a for a, _ in sides]), np.concatenate([b for _, b in sides])
