"""A TIFF directory, read and written raw: the container of EXIF and of TIFF files.

Pillow's own writer guesses each tag's type anew, turns "é" into "?" and fails on odd values; entries that are
copied as bytes can do none of that. Nothing is followed here but the offset it is asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
_BIG_STARTS = {b"II+\0\x08\0\0\0": "<", b"MM\0+\0\x08\0\0": ">"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_UNITS = {3: 2, 8: 2, 4: 4, 5: 4, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # a rational is two numbers of four bytes
SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7
_NARROWED = {
    16: (LONG, "Q", "I"),
    17: (9, "q", "i"),
    18: (13, "Q", "I"),
}  # kinds that only BigTIFF has: offsets of 64 bits


class Entry(NamedTuple):
    """One tag's TIFF type, number of values, and the values' bytes in the directory's byte order."""

    kind: int
    length: int
    value: bytes

    def number(self, order: str) -> int | None:
        """The value of a single BYTE, SHORT, LONG or offset; None for anything else."""
        code = {1: "B", SHORT: "H", LONG: "I", 13: "I"}.get(self.kind)
        return int(struct.unpack(order + code, self.value)[0]) if code and self.length == 1 else None


Directory = dict[int, Entry]
Tree = dict[int, "Entry | Tree"]


def header(data: bytes) -> tuple[str, int] | None:
    """(byte order "<" or ">", offset of the first directory), or None where ``data`` is neither TIFF nor BigTIFF."""
    if data[:8] in _BIG_STARTS and len(data) >= 16:
        order = _BIG_STARTS[data[:8]]
        return order, struct.unpack(order + "Q", data[8:16])[0]
    classic = _STARTS.get(data[:4])
    return (classic, struct.unpack(classic + "I", data[4:8])[0]) if classic and len(data) >= 8 else None


def read(data: bytes, offset: int, order: str) -> tuple[Directory, int]:
    """The directory at ``offset`` of a TIFF or BigTIFF and the offset of the next one (0: none).

    Hostile or cut-off data is no error: an entry that does not fit is left out, the rest is kept. BigTIFF's numbers of
    64 bits come as those of 32 that a TIFF has; larger ones are left out.
    """
    entries: Directory = {}
    for tag, kind, number, begin in _cells(data, offset, order):
        size = (_SIZES.get(kind) or 8 * (kind in _NARROWED)) * number
        if 0 < size <= len(data) - begin:
            entry = _narrow(Entry(kind, number, data[begin : begin + size]), order)
            if entry:
                entries.setdefault(tag, entry)
    big = data[:8] in _BIG_STARTS
    head, cell, word, code = (8, 20, 8, "Q") if big else (2, 12, 4, "I")
    after = offset + head + cell * _count(data, offset, order)
    place = data[after : after + word]
    return entries, struct.unpack(order + code, place)[0] if len(place) == word else 0


def reset_tag(data: bytes, tag: int) -> bytes:
    """``data``, a TIFF or BigTIFF, with 1 for the SHORT ``tag`` in its main directory where it has that tag."""
    head = header(data)
    for found, kind, number, begin in _cells(data, head[1], head[0]) if head else ():
        if (found, kind, number) == (tag, SHORT, 1):
            return b"".join((data[:begin], struct.pack(head[0] + "H", 1), data[begin + 2 :])) if head else data
    return data


def _count(data: bytes, offset: int, order: str) -> int:
    length = 8 if data[:8] in _BIG_STARTS else 2
    return int.from_bytes(data[offset : offset + length], "little" if order == "<" else "big")


def _cells(data: bytes, offset: int, order: str) -> Iterator[tuple[int, int, int, int]]:
    """(tag, kind, number of values, place of the first) of each entry, which may lie outside ``data``."""
    big = data[:8] in _BIG_STARTS
    head, size, inside, codes, code = (8, 20, 8, "HHQ8s", "Q") if big else (2, 12, 4, "HHI4s", "I")
    begin = offset + head
    for start in range(begin, min(begin + size * _count(data, offset, order), len(data) - size + 1), size):
        tag, kind, number, cell = struct.unpack(order + codes, data[start : start + size])
        width = (_SIZES.get(kind) or 8 * (kind in _NARROWED)) * number
        yield tag, kind, number, start + size - inside if width <= inside else struct.unpack(order + code, cell)[0]


def _narrow(entry: Entry, order: str) -> Entry | None:
    if entry.kind not in _NARROWED:
        return entry
    kind, wide, narrow = _NARROWED[entry.kind]
    try:
        values = struct.unpack(f"{order}{entry.length}{wide}", entry.value)
        return Entry(kind, entry.length, struct.pack(f"{order}{entry.length}{narrow}", *values))
    except struct.error:
        return None


def write(tree: Mapping[int, Entry | Tree], start: int, order: str) -> bytes:
    """The bytes of a directory that will lie at the even offset ``start``; no next directory follows it.

    A nested directory is written like any other value that does not fit into its entry.
    """
    table, values = b"", b""
    place = start + 6 + 12 * len(tree)
    for tag, item in sorted(tree.items()):
        here = struct.pack(order + "I", place + len(values))
        if isinstance(item, Entry):
            kind, count, value = item
            cell = here if len(value) > 4 else value.ljust(4, b"\0")
            values += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
        else:
            kind, count, cell = LONG, 1, here
            values += write(item, place + len(values), order)
        table += struct.pack(order + "HHI4s", tag, kind, count, cell)
    return struct.pack(order + "H", len(tree)) + table + bytes(4) + values


def reorder(tree: Mapping[int, Entry | Tree]) -> Tree:
    """The same entries in the other byte order."""
    swapped: Tree = {}
    for tag, item in tree.items():
        if isinstance(item, Entry):
            unit = _UNITS.get(item.kind, 1)
            value = np.frombuffer(item.value, f"u{unit}").byteswap().tobytes() if unit > 1 else item.value
            swapped[tag] = item._replace(value=value)
        else:
            swapped[tag] = reorder(item)
    return swapped


def append_directory(file: bytes, tree: Mapping[int, Entry | Tree], order: str) -> bytes:
    """A TIFF ``file`` whose main directory is ``tree``, appended at its end; the old directory becomes unused bytes."""
    padding = bytes(len(file) % 2)
    place = len(file) + len(padding)
    start = file[:4] + struct.pack(order + "I", place)
    return b"".join((start, file[8:], padding, write(tree, place, order)))
