"""Packed face data without the libraries that packed it: InsightFace's train.rec + train.idx, and its test .bin files.

A .rec file is a chain of records: magic, a word of 3 bits "part" and 29 bits length, bytes, padding to 4. Part 0 is a
whole record, 1 begins one, 2 goes on, 3 ends it; it was cut where its own bytes looked like the magic, put back here
between the parts. A record begins with its header: flag, label, id, id2; a flag n > 0 means that n float labels follow.

A .bin file is a pickle. Pickles can run any program, so it is read by an unpickler that admits no name of any module:
only bytes, lists, tuples, bools and whole numbers come out.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import StoreError, UsageError
from faceshield.data.pairs import PairSet

MAGIC = 0xCED7230A
_WORD = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_MAGIC_BYTES = struct.pack("<I", MAGIC)


@dataclass(frozen=True)
class Record:
    """One record: its labels (for a picture the first is the identity), its id, and the encoded picture's bytes."""

    labels: tuple[float, ...]
    id: int
    content: bytes


def read_records(path: Path) -> Iterator[Record]:
    """The records of a .rec file in order, one in memory at a time; nothing is decoded.

    Raises StoreError, with the place in the file, where it is absent, cut off or not such a file.
    """
    with _open(path) as file:
        number = 0
        while file.peek(1):
            start = file.tell()
            yield _parse(_read_whole(file, path, start, number), path, start)
            number += 1


def read_record(path: Path, offset: int) -> Record:
    """The record that begins at byte ``offset``, as an .idx file names it. Raises StoreError as read_records does."""
    with _open(path) as file:
        file.seek(offset)
        return _parse(_read_whole(file, path, offset, 0), path, offset)


def read_index(path: Path) -> dict[int, int]:
    """Key → byte offset of an .idx file (lines "key<tab>offset"). Raises StoreError with the line's number."""
    offsets: dict[int, int] = {}
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read as an index ({error}); it lies beside the .rec file") from None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            raise StoreError(f"{path}: line {number}: expected a key and an offset, found {line[:60]!r}")
        offsets[int(words[0])] = int(words[1])
    return offsets


def pictures(path: Path) -> Iterator[Record]:
    """The pictures of an InsightFace train.rec, without the records that only describe it.

    Record 0 carries two labels, [first, last] of the keys that describe identities; those carry no picture. A picture's
    identity is ``int(record.labels[0])``. Raises StoreError as :func:`read_records` does.
    """
    return (record for record in read_records(path) if record.content)


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror}); give the .rec file") from None


def _read_whole(file: io.BufferedReader, path: Path, start: int, number: int) -> bytes:
    """The bytes of one record, its parts joined."""
    parts: list[bytes] = []
    while True:
        word = file.read(8)
        if len(word) == 8 and _WORD.unpack(word)[0] != MAGIC:
            hint = "; is it a .rec file?" if number == 0 else "; it is damaged, fetch it again"
            raise StoreError(f"{path}: no record begins at byte {file.tell() - 8}{hint}")
        part, length = divmod(_WORD.unpack(word)[1], 1 << 29) if len(word) == 8 else (0, 1)
        content = file.read(length + -length % 4)
        if len(word) < 8 or len(content) < length + -length % 4:
            raise StoreError(f"{path}: is cut off in the record at byte {start}; fetch it again")
        if part > 3 or (part in (0, 1)) != (not parts):
            raise StoreError(f"{path}: the record at byte {start} is out of order; it is damaged, fetch it again")
        parts.append(content[:length])
        if part in (0, 3):
            return _MAGIC_BYTES.join(parts)


def _parse(record: bytes, path: Path, start: int) -> Record:
    if len(record) >= _HEADER.size:
        flag, label, id, _ = _HEADER.unpack_from(record)
        end = _HEADER.size + 4 * flag
        if end <= len(record):
            labels = struct.unpack_from(f"<{flag}f", record, _HEADER.size) if flag else (label,)
            return Record(tuple(labels), id, record[end:])
    raise StoreError(f"{path}: the record at byte {start} has {len(record)} bytes, fewer than its header says")


# ---- test sets


class _Plain(pickle.Unpickler):
    """Admits no name: without one no pickle can call anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for an object outside of it")


def read_bin(path: Path, folds: int = 10) -> tuple[list[bytes], PairSet]:
    """The encoded pictures of an InsightFace test set (lfw.bin, cfp_fp.bin, agedb_30.bin) and its pairs.

    Pair i is pictures 2i and 2i + 1, of one person where the i-th flag is True; folds are ``folds`` blocks in order.
    Ids are the pictures' numbers as six digits: the file does not say who they show. Raises StoreError where the file
    is absent or anything but (list of bytes, list of flags), above all where it asks for code to be run.
    """
    try:
        with path.open("rb") as file:
            value = _load(file)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); give a .bin test set") from None
    except ValueError as error:
        raise StoreError(f"{path}: is refused: {error}; a test set holds bytes and flags alone") from None
    if not (isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, list) for part in value)):
        raise StoreError(f"{path}: is no test set; expected a list of pictures and a list of flags")
    contents, flags = value
    if not all(type(content) is bytes for content in contents):
        odd = next(type(content).__name__ for content in contents if type(content) is not bytes)
        raise StoreError(f"{path}: a picture is {odd}; expected the bytes of an encoded picture")
    if not all(type(flag) in (bool, int) and flag in (0, 1) for flag in flags) or len(contents) != 2 * len(flags):
        raise StoreError(f"{path}: {len(contents)} pictures and {len(flags)} flags; expected two pictures a flag 0|1")
    if not 1 <= folds <= len(flags):
        raise UsageError(f"{path}: {len(flags)} pairs cannot be {folds} folds; choose fewer")
    ids = [f"{number:06d}" for number in range(len(contents))]
    fold: NDArray[np.int64] = np.arange(len(flags)) * folds // len(flags)
    return contents, PairSet(tuple(ids[::2]), tuple(ids[1::2]), np.array(flags, np.bool_), fold)


def _load(file: BinaryIO) -> Any:
    """Raises ValueError, in one line, for every way in which a pickle can fail or be refused."""
    try:
        return _Plain(file, encoding="bytes").load()
    except OSError:
        raise
    except Exception as error:  # the stream is a stranger's: it can make the unpickler fail in any way
        raise ValueError(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from None
