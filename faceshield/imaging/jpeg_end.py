"""A JPEG whose end marker is missing: whether its picture is complete, found without a decoder's warnings.

libjpeg invents what is missing and only warns; Pillow does not pass the warning on. So the file is decoded with several
endings: where a scan line lacks even one bit, the decoder reads into the ending, and the pixels differ.
"""

from __future__ import annotations

import hashlib
import re

from faceshield.core.errors import PhotoError
from faceshield.imaging.containers import read_jpeg_segments
from faceshield.imaging.formats import open_picture

MISSING_END = "the end marker was missing, as after a broken copy: all of the picture was there, and it has one now"
_CUT_OFF = "is cut off: rows or details of the picture are missing; copy it again from its source"
_EOI = b"\xff\xd9"
# nothing, or bits that differ from each other at every place; never 0xFF, which would begin a marker
_JUNK = (b"\x55" * 64, b"\xaa" * 64, b"\xc3\x1e" * 32)
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")


def lacks_end(data: bytes) -> bool:
    """True for a JPEG in which no end marker follows the picture."""
    return not data.endswith(_EOI) and all(marker != 0xD9 for marker, _ in read_jpeg_segments(data))


def add_end(data: bytes) -> bytes:
    """``data``, a JPEG that :func:`lacks_end`, with its end marker.

    Raises PhotoError where anything of the picture is missing: a scan, a row, or the last bits of one. Zeros behind
    the picture, as of a file that was never written to its end, do not count as picture.
    """
    body = data if data[-2:-1] != b"\0" else data.rstrip(b"\0")
    body = body.rstrip(b"\xff")  # half of the marker
    last_restart = [int(found[1][0]) for found in _RESTART.finditer(body)][-1:]
    # with restart intervals the decoder looks for the next of eight markers before it reads on
    restart = bytes((0xFF, 0xD0 + (last_restart[0] + 1) % 8)) if last_restart else b"\xff\xd0"
    endings = [b"", *_JUNK, *(restart + junk for junk in _JUNK)]
    if not _all_scans(body) or len({_picture(body + ending + _EOI) for ending in endings}) > 1:
        raise PhotoError(_CUT_OFF)
    return body + _EOI


def _picture(data: bytes) -> bytes:
    picture = open_picture(data, "JPEG")
    picture.load()
    return hashlib.sha256(picture.tobytes()).digest()


def _all_scans(data: bytes) -> bool:
    """Whether the scans bring every coefficient of every component down to its last bit."""
    components: bytes = b""
    missing: dict[int, set[int]] = {}
    for marker, content in read_jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = content[6 : 6 + 3 * content[5] : 3] if len(content) > 5 else b""
            missing = {component: set(range(64)) for component in components}
        elif marker == 0xDA:
            count = content[0] if content else 0
            if len(content) != 4 + 2 * count:
                return False
            first, last, bits = content[1 + 2 * count :]
            if bits & 15 == 0:
                for component in content[1 : 1 + 2 * count : 2]:
                    missing.get(component, set()).difference_update(range(first, last + 1))
    return bool(missing) and not any(missing.values())
