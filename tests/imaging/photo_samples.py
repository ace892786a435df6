"""Small pictures made on the spot, and what the tests of photos ask of a file."""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SHARED = Path(os.environ.get("FACESHIELD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ODD = SHARED / "data" / "odd"

_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB = _PROFILE[:24] + bytes(12) + _PROFILE[36:]  # without the time of its making: the same in every process
# Pillow's name for bringing a stored picture upright, for each EXIF orientation
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def noise(height: int = 23, width: int = 37, channels: int = 3, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    """(H, W, channels), or (H, W) for one channel: every value possible."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 that lossy formats keep well: a few soft blobs, no two corners alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = []
    for _ in range(3):
        a, b, c = rng.uniform(2, 5, 3)
        planes.append(128 + 60 * np.sin(a * x + b) * np.cos(c * y) + 50 * (x - 0.6 * y))
    return np.clip(np.dstack(planes), 0, 255).astype(np.uint8)


def changed(pixels: np.ndarray, grey: bool = False, seed: int = 1) -> np.ndarray:
    """``pixels`` with up to ±8 levels of noise, as a cloak does."""
    rng = np.random.default_rng(seed)
    shape = (*pixels.shape[:2], 1 if grey else 3)
    delta = rng.integers(-8, 9, shape)
    return np.clip(pixels.astype(np.int64) + delta, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)


def saved(array: np.ndarray, format: str, mode: str | None = None, **options: Any) -> bytes:
    """``array`` as a file, by Pillow."""
    picture = Image.fromarray(array)
    buffer = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(buffer, format, **options)
    return buffer.getvalue()


def camera_exif(orientation: int = 1) -> bytes:
    """EXIF with a place, serial numbers, an owner and a maker note."""
    exif = Image.Exif()
    exif[0x010F] = "Tester"
    exif[0x0112] = orientation
    exif[0x013B] = "Some One"
    exif[0x8769] = {
        0x829A: (1, 60),
        0x9000: b"0232",
        0x927C: b"maker" * 40,
        0xA430: "Some One",
        0xA431: "BODY-123",
        0xA435: "LENS-456",
    }
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 1.5), 3: "E", 4: (11.0, 34.0, 2.5)}
    return exif.tobytes()


def thumbnail_exif(thumbnail: bytes) -> bytes:
    """EXIF whose second directory holds ``thumbnail``, as every camera writes it; made by hand."""
    first = struct.pack("<H", 1) + struct.pack("<HHII", 0x0112, 3, 1, 1) + struct.pack("<I", 26)
    second = (
        struct.pack("<H", 3)
        + struct.pack("<HHII", 0x0103, 3, 1, 6)
        + struct.pack("<HHII", 0x0201, 4, 1, 26 + 2 + 36 + 4)
        + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail))
        + bytes(4)
    )
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + thumbnail


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def xmp_with(thumbnail: bytes) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><xmpGImg:image>'
        + base64.b64encode(thumbnail)
        + b'</xmpGImg:image><rdf:Description hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
    )


def video() -> bytes:
    return struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + struct.pack(">I", 1008) + b"mdat" + bytes(range(250)) * 4


def embedded_pictures(data: bytes) -> list[str]:
    """Every picture or video that can be found inside ``data``, beside the one it starts with."""
    found = []
    for mark, back in ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n", 0), (b"RIFF", 0), (b"II*\0", 0), (b"ftyp", 4)):
        place = data.find(mark, 1 + back)
        while place > 0:
            inner = data[place - back :]
            if mark == b"ftyp":
                found.append(f"ftyp at {place}")
            elif _decodes(inner):
                found.append(f"{mark!r} at {place}")
            place = data.find(mark, place + 1)
    for text in (b"/9j/", b"iVBORw0KGgo"):
        place = data.find(text)
        while place >= 0:
            end = place
            while end < len(data) and (data[end : end + 1].isalnum() or data[end : end + 1] in (b"+", b"/")):
                end += 1
            if _decodes(base64.b64decode(data[place : end - (end - place) % 4])):
                found.append(f"base64 at {place}")
            place = data.find(text, max(end, place + 1))
    return found


def _decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP", "TIFF"]) as picture:
            picture.load()
    except Exception:
        return False
    return True
