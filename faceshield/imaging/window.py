"""A large picture between Pillow's, four bytes a pixel, and an array of three, without both in memory.

A JPEG on both ways, a PNG where it is read.

A panorama of 200 megapixels takes 600 MB as an array and 800 as Pillow holds it. Here Pillow's picture lies in memory
that it is lent: what lies behind the codec is given back to the system, and what lies before it is not yet written.
It is turned upright and back in the same way, band by band. Grey takes one byte a pixel in Pillow.
Pixels and bytes are the same. A system that cannot take back a part (Windows) saves no memory, that is all.
"""

from __future__ import annotations

import io
import math
import mmap
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from faceshield.core.memory import give_back
from faceshield.imaging.containers import read_jpeg_segments
from faceshield.imaging.orientation import turn_upright, view_back, view_upright

LARGE = 16_000_000  # pixels: below, a second copy is no matter
_BAND = 1_000_000  # pixels at a time
_SQUARE = 16  # rows: the most that JPEG codes together
_CHUNK = 65536  # bytes: the least that Pillow lets an encoder write at a time
_LOOSE = 16  # bytes: by how much a band's code may be longer or shorter beside its neighbours than alone

Save = Callable[[Image.Image, BinaryIO], None]


class Window:
    """``picture`` (mode RGBX, or L if ``grey``) and its ``rows`` (H, W[, 4]) uint8 are the same memory, zero at first.

    It is taken from the system row by row, as they are written.
    """

    def __init__(self, height: int, width: int, grey: bool = False) -> None:
        mode, shape = ("L", (height, width)) if grey else ("RGBX", (height, width, 4))
        alone = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
        self._memory = mmap.mmap(-1, math.prod(shape), **alone)
        self._dropped = 0
        self.rows = np.frombuffer(self._memory, np.uint8).reshape(shape)
        lent: Any = self._memory
        self.picture = Image.frombuffer(mode, (width, height), lent, "raw", mode, 0, 1)

    def drop(self, stop: int) -> None:
        """Give back what holds the rows before ``stop``, which nobody will look at any more."""
        end = stop * self.rows.strides[0] // mmap.PAGESIZE * mmap.PAGESIZE
        if end > self._dropped and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED, self._dropped, end - self._dropped)
            self._dropped = end


class _Source(io.BytesIO):
    """A file that says when more of it is read."""

    def __init__(self, data: bytes, on_read: Callable[[], None]) -> None:
        super().__init__(data)
        self._on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        self._on_read()
        return super().read(size)


class _Sink(io.BytesIO):
    """A file that passes on what is written to it."""

    def __init__(self, on_write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_write = on_write

    def write(self, data: Any, /) -> int:
        self._on_write(data)
        return super().write(data)


def decode(picture: ImageFile.ImageFile, data: bytes, orientation: int = 1) -> NDArray[np.uint8] | None:
    """The pixels (H, W, 3) of ``picture``, a JPEG of mode RGB or L, or a PNG of mode RGB, opened from ``data``.

    Nothing of it is decoded yet. They are turned upright as EXIF's ``orientation`` says.
    None, with ``picture`` decoded, where Pillow has not used the memory that it was lent. Raises what Pillow raises.
    """
    give_back()
    width, height = picture.size
    grey = picture.mode == "L"
    window, colours = Window(height, width, grey), cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_RGBA2RGB
    pixels = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = view_back(pixels, orientation)
    done, band = 0, _count_rows(width)

    def take(stop: int) -> None:
        nonlocal done
        for top in range(done, stop, band):
            end = min(stop, top + band)
            upright = turn_upright(cv2.cvtColor(window.rows[top:end], colours), orientation)
            view_upright(stored[top:end], orientation)[:] = upright
            window.drop(end)
        done = max(done, stop)

    def take_finished() -> None:
        if grey:  # nothing in its one byte a pixel tells which rows are finished; they are taken at the end
            return
        stop = done
        while stop < height and window.rows[stop, -1, 3]:  # Pillow fills the fourth byte
            stop += 1
        take(stop)

    picture.fp = _Source(data, take_finished)
    if isinstance(picture, PngImagePlugin.PngImageFile) and picture.png is not None:
        picture.png.fp = picture.fp  # it reads the chunks
    picture.im = window.picture.im
    picture.load()
    if picture.im is not window.picture.im:
        return None
    take(height)
    return pixels


def encode(array: NDArray[np.uint8], save: Save) -> bytes | None:
    """``array`` (H, W[, 3]), which may be a view, as the baseline JPEG that ``save`` makes of a picture.

    The encoder tells nothing of where it is. So each band is saved alone first: the sizes tell which rows it must have
    left behind, and which it may ask for next. None where what it wrote does not fit them: it has asked for rows that
    were not there.
    """
    give_back()
    height, width = array.shape[:2]
    band = _count_rows(width)
    tops = range(0, height, band)
    alone = [_save_alone(array[top : top + band], save) for top in tops]
    if len({one.head for one in alone}) > 1:  # codes made to measure: the encoder reads everything before it writes
        return None
    least, most = ([*accumulate(one.coded + loose for one in alone)] for loose in (-_LOOSE, _LOOSE))
    chunk = max(_CHUNK, 4 * width)
    window, count = Window(height, width, array.ndim == 2), _Count(alone[0].head_length)
    filled = too_far = 0

    def fill(written: bytes) -> None:
        nonlocal filled, too_far
        too_far = max(too_far, len(written) - chunk)
        count.add(written)
        window.drop(tops[_find(most, count.coded)])
        wanted = min(len(tops), _find(least, count.coded + chunk) + 2)
        for top in tops[filled:wanted]:
            window.rows[top : top + band] = _widen(array[top : top + band])
        filled = max(filled, wanted)

    fill(b"")
    sink = _Sink(fill)
    save(window.picture, sink)
    fits = too_far <= 0 and least[-1] <= count.coded <= most[-1]
    return sink.getvalue() if fits else None


def to_picture(array: NDArray[np.uint8]) -> Image.Image:
    """RGB (H, W, 3) as Pillow stores it, four bytes a pixel, or grey (H, W); Pillow's own way takes four times as long.

    ``array`` may be a view.
    """
    stored: Any = _widen(array)
    mode = "L" if array.ndim == 2 else "RGBX"
    return Image.frombuffer(mode, array.shape[1::-1], stored, "raw", mode, 0, 1)


def _widen(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    whole = np.ascontiguousarray(array)
    wide: Any = whole if array.ndim == 2 else cv2.cvtColor(whole, cv2.COLOR_RGB2RGBA)
    return np.asarray(wide, np.uint8)


class _Count:
    """How many bytes of code are written after a head of ``head`` bytes; the zero after an 0xFF is none."""

    def __init__(self, head: int) -> None:
        self._head, self._last, self.coded = head, b"", 0

    def add(self, written: bytes) -> None:
        part = written[self._head :]
        self._head -= len(written) - len(part)
        self.coded += len(part) - (self._last + part).count(b"\xff\0")
        self._last = part[-1:] or self._last


def _count_rows(width: int) -> int:
    return max(1, _BAND // width // _SQUARE) * _SQUARE


def _find(limits: Sequence[int], reached: int) -> int:
    """The first of the growing ``limits`` that is not yet ``reached``, or the last."""
    return next((number for number, limit in enumerate(limits) if limit > reached), len(limits) - 1)


class _Alone(NamedTuple):
    """A JPEG's segments before its code without its height, how many bytes they take, and how many the code."""

    head: bytes
    head_length: int
    coded: int


def _save_alone(array: NDArray[np.uint8], save: Save) -> _Alone:
    file = io.BytesIO()
    save(to_picture(array), file)
    data, head, length = file.getvalue(), b"", 2
    for marker, content in read_jpeg_segments(data):
        length += 4 + len(content)
        head += content[:1] + content[3:] if marker in (0xC0, 0xC1) else content
        if marker == 0xDA:
            break
    count = _Count(length)
    count.add(data[:-2])  # the end marker comes once
    return _Alone(head, length, count.coded)
