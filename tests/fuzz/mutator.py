"""Hostile pictures: real files of every format, broken in the ways in which files break or are broken on purpose."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from photo_samples import SRGB, camera_exif, chunk, saved, segment, smooth, thumbnail_exif, xmp_with
from PIL import Image

from faceshield.imaging.muxers import clear_times

Rng = np.random.Generator
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIZES = ((0, 0), (0, 96), (1, 65535), (65535, 1), (65535, 65535), (31623, 31623), (1, 1), (96, 128), (1200, 900))


@functools.cache
def originals() -> dict[str, bytes]:
    """Sound files by name, each a few kilobytes: the formats and the variants of them that are read."""
    rgb = smooth()
    small = saved(rgb[:24, :32], "JPEG")
    frames = [Image.fromarray(np.roll(rgb[:48, :64], step, 1)) for step in (0, 3, 6)]
    made = {
        "plain.jpg": saved(rgb, "JPEG"),
        "camera.jpg": saved(rgb, "JPEG", exif=camera_exif(6), icc_profile=SRGB),
        "thumbnail.jpg": saved(rgb, "JPEG", exif=thumbnail_exif(small)),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True, quality=80),
        "grey.jpg": saved(rgb[..., 0], "JPEG"),
        "cmyk.jpg": saved(rgb, "JPEG", "CMYK"),
        "xmp.jpg": saved(rgb, "JPEG", xmp=xmp_with(small)),
        "rgb.png": saved(rgb, "PNG", exif=camera_exif(3), icc_profile=SRGB),
        "alpha.png": saved(np.dstack([rgb, rgb[..., :1]]), "PNG"),
        "palette.png": saved(rgb, "PNG", "P"),
        "sixteen.png": saved(rgb[..., 0].astype(np.uint16) * 257, "PNG"),
        "lossy.webp": saved(rgb, "WEBP", exif=camera_exif(8)),
        "lossless.webp": saved(rgb, "WEBP", lossless=True, icc_profile=SRGB),
        "raw.tif": saved(rgb, "TIFF"),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tif": saved(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
        "plain.bmp": saved(rgb[:40, :40], "BMP"),
        "plain.gif": saved(rgb, "GIF"),
        "plain.avif": saved(rgb, "AVIF"),
        "row.png": saved(rgb[:1], "PNG"),
        "column.jpg": saved(rgb[:, :1], "JPEG"),
        "pixel.webp": saved(rgb[:1, :1], "WEBP"),
    }
    for name, format in (
        ("moving.gif", "GIF"),
        ("moving.png", "PNG"),
        ("moving.webp", "WEBP"),
        ("moving.avif", "AVIF"),
    ):
        buffer = io.BytesIO()
        frames[0].save(buffer, format, save_all=True, append_images=frames[1:], duration=40)
        made[name] = clear_times(buffer.getvalue()) if format == "AVIF" else buffer.getvalue()
    try:
        import pillow_heif
    except ImportError:
        return made
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(buffer, exif=camera_exif())
    return {**made, "plain.heic": buffer.getvalue()}


def mutate(seed: int) -> tuple[str, str, bytes]:
    """The file number ``seed``: the name of its original, what was done to it, and its bytes."""
    rng = np.random.default_rng(seed)
    names, ways = sorted(originals()), sorted(WAYS)
    name = names[seed % len(names)]  # every original as often as the others
    chosen = [ways[int(way)] for way in rng.integers(0, len(ways), rng.choice([1, 1, 1, 2, 3]))]
    data = originals()[name]
    for way in chosen:
        data = WAYS[way](data, rng)
    return name, " + ".join(chosen), data


def _place(data: bytes, rng: Rng) -> int:
    """A place in ``data``; every second one among the first bytes, where headers are."""
    reach = min(len(data), 600) if rng.random() < 0.5 else len(data)
    return int(rng.integers(0, max(reach, 1)))


def _put(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def _flip_bits(data: bytes, rng: Rng) -> bytes:
    array = bytearray(data)
    for _ in range(int(rng.choice([1, 2, 8, 64]))):
        if array:
            array[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(array)


def _cut_off(data: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)]


def _wipe(data: bytes, rng: Rng) -> bytes:
    length = int(rng.integers(1, 200))
    return _put(data, _place(data, rng), bytes([int(rng.choice([0, 0x55, 0xFF]))]) * length)[: len(data)]


def _splice(data: bytes, rng: Rng) -> bytes:
    other = list(originals().values())[int(rng.integers(len(originals())))]
    start, place = _place(other, rng), _place(data, rng)
    return data[:place] + other[start : start + int(rng.integers(1, 4000))] + data[place:]


def _remove(data: bytes, rng: Rng) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + int(rng.integers(1, 200)) :]


def _repeat(data: bytes, rng: Rng) -> bytes:
    place, length = _place(data, rng), int(rng.integers(1, 300))
    return data[:place] + data[place : place + length] * int(rng.choice([2, 3, 200])) + data[place + length :]


def _lie(data: bytes, rng: Rng) -> bytes:
    """Write extreme numbers where a length, a count or an offset may be."""
    for _ in range(int(rng.integers(1, 4))):
        value, form = int(rng.choice(EXTREMES)), str(rng.choice(["<H", ">H", "<I", ">I"]))
        data = _put(data, _place(data, rng), struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)))
    return data


def _resize(data: bytes, rng: Rng) -> bytes:
    """State another size than the pixels have: none, a line, a bomb of 10⁹ pixels; checksums are right."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    if data.startswith(b"\x89PNG"):
        return data[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29]) + data[33:]
    if data.startswith(b"\xff\xd8"):
        starts = [data.find(b"\xff" + bytes([kind])) for kind in (0xC0, 0xC2)]
        frame = max(starts)
        return data if frame < 0 else _put(data, frame + 5, struct.pack(">HH", height & 0xFFFF, width & 0xFFFF))
    if data.startswith(b"GIF"):
        return _put(data, 6, struct.pack("<HH", width & 0xFFFF, height & 0xFFFF))
    if data.startswith(b"BM"):
        return _put(data, 18, struct.pack("<ii", width, height if rng.random() < 0.5 else -height))
    if data[8:16] == b"WEBPVP8X":
        return _put(data, 24, struct.pack("<I", max(width - 1, 0))[:3] + struct.pack("<I", max(height - 1, 0))[:3])
    if b"ispe" in data:
        return _put(data, data.index(b"ispe") + 8, struct.pack(">II", width, height))
    if data[:2] in (b"II", b"MM"):
        return _edit_tag(data, int(rng.choice([256, 257, 258, 273, 277, 278, 279])), int(rng.choice(EXTREMES)))
    return data


def _edit_tag(data: bytes, tag: int, value: int) -> bytes:
    """The value, or its place, that the first directory of a TIFF file holds for ``tag``."""
    order = "<" if data.startswith(b"II") else ">"
    place = data.find(struct.pack(order + "H", tag), struct.unpack_from(order + "I", data.ljust(8, b"\0"), 4)[0])
    return data if place < 0 else _put(data, place + 8, struct.pack(order + "I", value))


def _loop(data: bytes, rng: Rng) -> bytes:
    """EXIF whose directories lead back to themselves."""
    entries = struct.pack("<H", 3)
    entries += struct.pack("<HHII", 0x0112, 3, 1, int(rng.integers(0, 12)))
    entries += struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x8825, 4, 1, 8)
    exif = b"II*\0" + struct.pack("<I", 8) + entries + struct.pack("<I", 8)
    return _add_metadata(data, exif, b"", b"")


def _junk(data: bytes, rng: Rng) -> bytes:
    """EXIF, ICC and XMP that begin as they should and go on as noise."""
    exif, icc, xmp = (rng.bytes(int(rng.choice([0, 1, 40, 3000]))) for _ in range(3))
    return _add_metadata(data, b"II*\0" + exif, SRGB[: int(rng.integers(0, 200))] + icc, b"<x:xmpmeta>" + xmp)


def _add_metadata(data: bytes, exif: bytes, icc: bytes, xmp: bytes) -> bytes:
    if data.startswith(b"\xff\xd8"):
        added = segment(0xE1, b"Exif\0\0" + exif)
        added += segment(0xE2, b"ICC_PROFILE\0\x01\x01" + icc) if icc else b""
        added += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) if xmp else b""
        return data[:2] + added + data[2:]
    if data.startswith(b"\x89PNG"):
        added = chunk(b"eXIf", exif)
        added += chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc)) if icc else b""
        added += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) if xmp else b""
        return data[:33] + added + data[33:]
    if data[8:12] == b"WEBP":
        parts = [(b"EXIF", exif), (b"XMP ", xmp)]
        added = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in parts)
        return data[:4] + struct.pack("<I", len(data) - 8 + len(added)) + data[8:] + added
    if data[:2] in (b"II", b"MM"):  # the next directory is the first one, or lies in noise
        return _put(data, 4, struct.pack("<I", len(data))) + exif[8:] + icc if exif else data
    return data + exif + icc + xmp


def _append(data: bytes, rng: Rng) -> bytes:
    return data + rng.bytes(int(rng.choice([1, 2, 1000]))) + originals()["plain.jpg"] * int(rng.integers(0, 2))


def _begin_only(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(0, 33))] + rng.bytes(int(rng.choice([0, 7, 500])))


WAYS: dict[str, Callable[[bytes, Rng], bytes]] = {
    "append": _append,
    "begin only": _begin_only,
    "cut off": _cut_off,
    "flip bits": _flip_bits,
    "junk": _junk,
    "lie": _lie,
    "loop": _loop,
    "remove": _remove,
    "repeat": _repeat,
    "resize": _resize,
    "splice": _splice,
    "wipe": _wipe,
}
