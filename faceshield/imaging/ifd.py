"""A TIFF directory, read and written raw: the container of EXIF and of TIFF files.

Pillow's own writer guesses each tag's type anew, turns "é" into "?" and fails on odd values; entries that are
copied as bytes can do none of that. Nothing is followed here but the offset it is asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_UNITS = {3: 2, 8: 2, 4: 4, 5: 4, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # a rational is two numbers of four bytes
SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7


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
    """(byte order "<" or ">", offset of the first directory), or None where ``data`` is not a classic TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    return (order, struct.unpack(order + "I", data[4:8])[0]) if order and len(data) >= 8 else None


def read(data: bytes, offset: int, order: str) -> tuple[Directory, int]:
    """The directory at ``offset`` and the offset of the next one (0: none).

    Hostile or cut-off data is no error: an entry that does not fit is left out, the rest is kept.
    """
    entries: Directory = {}
    count = int.from_bytes(data[offset : offset + 2], "little" if order == "<" else "big")
    for start in range(offset + 2, min(offset + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, number, inline = struct.unpack(order + "HHI4s", data[start : start + 12])
        size = _SIZES.get(kind, 0) * number
        begin = start + 8 if size <= 4 else struct.unpack(order + "I", inline)[0]
        if 0 < size <= len(data) - begin:
            entries.setdefault(tag, Entry(kind, number, data[begin : begin + size]))
    after = data[offset + 2 + 12 * count : offset + 6 + 12 * count]
    return entries, struct.unpack(order + "I", after)[0] if len(after) == 4 else 0


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


def reordered(tree: Mapping[int, Entry | Tree]) -> Tree:
    """The same entries in the other byte order."""
    swapped: Tree = {}
    for tag, item in tree.items():
        if isinstance(item, Entry):
            unit = _UNITS.get(item.kind, 1)
            value = np.frombuffer(item.value, f"u{unit}").byteswap().tobytes() if unit > 1 else item.value
            swapped[tag] = item._replace(value=value)
        else:
            swapped[tag] = reordered(item)
    return swapped


def with_directory(file: bytes, tree: Mapping[int, Entry | Tree], order: str) -> bytes:
    """A TIFF ``file`` whose main directory is ``tree``, put behind its end; the old one becomes dead bytes."""
    padding = bytes(len(file) % 2)
    place = len(file) + len(padding)
    start = file[:4] + struct.pack(order + "I", place)
    return b"".join((start, file[8:], padding, write(tree, place, order)))
