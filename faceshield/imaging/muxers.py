"""Join encoded still pictures into an animation in which every frame is whole and replaces the one before.

Frames that hold only what has changed would be smaller. But a whole frame is exactly what was checked, and is written
without the others in memory.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceshield.imaging.containers import read_png_chunks, read_riff_chunks

_DELAY_LIMIT = 65535  # of 16 bits
_NO_BLENDING = 2
_ICC, _ALPHA, _EXIF, _MOVES = 0x20, 0x10, 0x08, 0x02


def apng(frames: Iterable[tuple[bytes, float]], count: int, plays: int, still: bool) -> bytes:
    """``count`` PNG files of one size and kind, each shown for so many ms; the first gives their colours and EXIF.

    ``plays``: 0 for ever. ``still``: the first is shown only where nothing can move.
    """
    parts, number = [b"\x89PNG\r\n\x1a\n"], 0
    for index, (png, ms) in enumerate(frames):
        begun = False
        for name, content in read_png_chunks(png):
            if name == b"IHDR":
                size = content[:8]
            if name == b"IDAT":
                if not begun and not (still and index == 0):
                    # at no offset, delay, no disposal, and no blending with what was there
                    control = struct.pack(">I8sIIHHBB", number, size, 0, 0, *_delay(ms), 0, 0)
                    parts.append(_chunk(b"fcTL", control))
                    number += 1
                begun = True
                if index:
                    name, content, number = b"fdAT", struct.pack(">I", number) + content, number + 1
                parts.append(_chunk(name, content))
            elif index == 0 and name not in (b"IEND", b""):
                parts.append(_chunk(name, content))
                if name == b"IHDR":
                    parts.append(_chunk(b"acTL", struct.pack(">II", count - still, plays)))
    return b"".join((*parts, _chunk(b"IEND", b"")))


def animated_webp(
    frames: Iterable[tuple[bytes, float]],
    size: tuple[int, int],
    plays: int,
    *,
    alpha: bool,
    exif: bytes | None = None,
    icc_profile: bytes | None = None,
) -> bytes:
    """WebP files of ``size`` (width, height) that hold nothing but their picture, each shown for so many ms."""
    width, height = (side - 1 for side in size)
    flags = _MOVES | _ICC * bool(icc_profile) | _ALPHA * alpha | _EXIF * bool(exif)
    canvas = _to_three_bytes(width) + _to_three_bytes(height)
    parts = [_riff(b"VP8X", bytes((flags, 0, 0, 0)) + canvas)]
    if icc_profile:
        parts.append(_riff(b"ICCP", icc_profile))
    parts.append(_riff(b"ANIM", bytes(4) + struct.pack("<H", min(plays, 0xFFFF))))
    for webp, ms in frames:
        picture = [
            _riff(name, content) for name, content in read_riff_chunks(webp) if name in (b"ALPH", b"VP8 ", b"VP8L")
        ]
        head = bytes(6) + canvas + _to_three_bytes(min(round(ms), 0xFFFFFF)) + bytes((_NO_BLENDING,))
        parts.append(_riff(b"ANMF", head + b"".join(picture)))
    if exif:
        parts.append(_riff(b"EXIF", exif.removeprefix(b"Exif\0\0")))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(
    frames: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8], int | None, float]],
    size: tuple[int, int],
    plays: int,
    alpha: bool,
) -> bytes:
    """(indices (H, W), palette (n ≤ 256, 3), index of the see-through colour or None, ms) of each frame as a GIF."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0x70, 0, 0)]
    if plays != 1:
        parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", min(max(0, plays - 1), 0xFFFF), 0))
    # see-through pixels need an empty canvas (2), others cover the last frame (1)
    disposal = 2 if alpha else 1
    for indices, palette, clear, ms in frames:
        flags = disposal << 2 | (clear is not None)
        delay = min(round(ms / 10), _DELAY_LIMIT)
        parts.append(b"!\xf9\x04" + struct.pack("<BHBB", flags, delay, clear or 0, 0))
        table = palette.tobytes().ljust(3 * 256, b"\0")  # of 256 colours always, as the codes of the pixels are
        parts += [b"," + struct.pack("<HHHHB", 0, 0, *size, 0x80 | 7), table, _lzw(indices)]
    return b"".join((*parts, b";"))


def _lzw(indices: NDArray[np.uint8]) -> bytes:
    """The compressed pixels of one GIF frame, cut out of a GIF that Pillow has made."""
    picture: Any = Image.fromarray(indices)  # grey: a palette of 256 that stays as it is
    buffer = io.BytesIO()
    picture.save(buffer, "GIF", optimize=False, interlace=0)
    data = buffer.getvalue()
    place = 13 + ((3 << (data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[place] == 0x21:  # extensions: two bytes, then blocks that begin with their length
        place += 2
        while data[place]:
            place += 1 + data[place]
        place += 1
    assert data[place] == 0x2C, "a picture follows the extensions"
    return data[place + 10 : -1]


def _delay(ms: float) -> tuple[int, int]:
    """ms as the two numbers of 16 bits whose ratio is the time in seconds."""
    seconds = min(ms / 1000, float(_DELAY_LIMIT))
    found = Fraction(seconds).limit_denominator(max(1, int(_DELAY_LIMIT / max(1.0, seconds))))
    return found.numerator, found.denominator


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _to_three_bytes(number: int) -> bytes:
    return number.to_bytes(3, "little")


def clear_times(data: bytes) -> bytes:
    """A moving AVIF without the times of its making, which would make each copy another file: they become 0."""
    cleared = bytearray(data)
    _clear_times(cleared, 0, len(data))
    return bytes(cleared)


def _clear_times(data: bytearray, start: int, stop: int) -> None:
    while start + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8:  # its size stands elsewhere, or it is the last: neither is in what libavif writes
            return
        if name in (b"moov", b"trak", b"mdia"):
            _clear_times(data, start + 8, start + size)
        elif name in (b"mvhd", b"tkhd", b"mdhd"):
            width = 8 if data[start + 8] == 1 else 4
            data[start + 12 : start + 12 + 2 * width] = bytes(2 * width)
        start += size
