"""One function for each format: pixels to a file that holds only them, their colour profile and the given EXIF."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from faceshield.imaging import ifd, window
from faceshield.imaging.metadata import ExifCopy
from faceshield.imaging.muxers import clear_times

_TIFF_CODES = {"raw": 1, "tiff_lzw": 5, "tiff_adobe_deflate": 8, "packbits": 32773}
TIFF_LOSSLESS = (*_TIFF_CODES, "zstd", "lzma")


def jpeg(array: NDArray[Any], quality: int | None, settings: Mapping[str, Any], **common: Any) -> bytes:
    """``array`` (H, W) or (H, W, 3) uint8, maybe a view. ``quality`` None repeats the tables in ``settings``."""
    options: dict[str, Any] = {"progressive": settings.get("progressive", False)}
    if array.ndim == 3:
        options["subsampling"] = settings.get("subsampling", 0)
        options["keep_rgb"] = settings.get("keep_rgb", False)
    if quality is None:
        options["qtables"] = settings["qtables"]
    else:
        options["quality"] = quality
    options |= common
    if array.shape[0] * array.shape[1] >= window.LARGE and not options["progressive"]:
        data = window.encode(array, partial(_save_to, format="JPEG", **options))
        if data is not None:
            return data
    return _save(window.to_picture(array), "JPEG", **options)


def png(array: NDArray[Any], chunks: Mapping[bytes, bytes], **common: Any) -> bytes:
    """``array`` (H, W[, 2–4]) uint8 or uint16; ``chunks`` say what its colours mean (gAMA, cHRM, sRGB, cICP)."""
    if array.dtype == np.uint16:
        return _png16(array, chunks, **common)
    colour = PngImagePlugin.PngInfo()
    for name, content in chunks.items():
        colour.add(name, content)
    return _pillow(array, "PNG", pnginfo=colour, **common)


def webp(array: NDArray[Any], quality: int | None, **common: Any) -> bytes:
    """``array`` (H, W, 3–4) uint8; ``quality`` None is lossless. WebP has no resolution but in EXIF."""
    # exact: the colours under full transparency are pixels as well
    how = {"lossless": True} if quality is None else {"quality": quality}
    return _pillow(array, "WEBP", exact=True, **how, **common)


def avif(array: NDArray[Any], quality: int, **common: Any) -> bytes:
    """``array`` (H, W) or (H, W, 3–4) uint8. Pillow turns the EXIF orientation into that of AVIF."""
    return _pillow(array, "AVIF", quality=quality, **common)


def animated_avif(frames: Sequence[tuple[NDArray[np.uint8], float]], quality: int, **common: Any) -> bytes:
    """(H, W[, 3–4]) uint8 and ms of each frame. Pillow takes them all at once."""
    first, *rest = (Image.fromarray(array) for array, _ in frames)
    lasting = [round(ms) for _, ms in frames]
    whole = _save(first, "AVIF", save_all=True, append_images=rest, duration=lasting, quality=quality, **common)
    return clear_times(whole)


def tiff(
    array: NDArray[Any],
    compression: str,
    carried: ExifCopy,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
) -> bytes:
    """``array`` (H, W[, 2–4]) uint8 or uint16, compressed without loss.

    Pillow or (16 bits) OpenCV writes the raster, and this function replaces their directory: neither can write EXIF
    into a compressed TIFF.
    """
    if array.dtype == np.uint16:
        turned = array[..., [2, 1, 0, 3][: array.shape[2]]] if array.ndim == 3 else array
        code = _TIFF_CODES.get(compression, _TIFF_CODES["tiff_adobe_deflate"])
        base = cv2.imencode(".tiff", turned, [cv2.IMWRITE_TIFF_COMPRESSION, code])[1].tobytes()
    else:
        known = compression if compression in TIFF_LOSSLESS else "tiff_adobe_deflate"
        base = _pillow(array, "TIFF", compression=known)
    head = ifd.header(base)
    assert head is not None, "the raster was just written as TIFF"
    order, offset = head
    written = ifd.read(base, offset, order)[0]
    tree: ifd.Tree = {tag: written[tag] for tag in written if tag not in (274, 282, 283, 296, 305)}
    if array.ndim == 3 and array.shape[2] in (2, 4):
        tree[338] = ifd.Entry(ifd.SHORT, 1, struct.pack(order + "H", 2))  # alpha, colours not multiplied by it
    if dpi:
        for tag, value in zip((282, 283), dpi, strict=True):
            tree[tag] = ifd.Entry(ifd.RATIONAL, 1, struct.pack(order + "II", round(value * 1000), 1000))
        tree[296] = ifd.Entry(ifd.SHORT, 1, struct.pack(order + "H", 2))
    if icc:
        tree[34675] = ifd.Entry(ifd.UNDEFINED, len(icc), icc)
    exif = carried.tree if carried.order == order else ifd.reorder(carried.tree)
    # 0x0211–0x0214 describe how a JPEG's chroma was made; in a TIFF they would describe this raster
    tree.update({tag: item for tag, item in exif.items() if tag not in (0x0211, 0x0213, 0x0214)})
    return ifd.append_directory(base, tree, order)


def _pillow(array: NDArray[Any], format: str, **options: Any) -> bytes:
    return _save(Image.fromarray(array), format, **options)


def _save(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    _save_to(picture, buffer, format, **options)
    return buffer.getvalue()


def _save_to(picture: Image.Image, file: BinaryIO, format: str, **options: Any) -> None:
    picture.save(file, format, **{name: value for name, value in options.items() if value is not None})


def _png16(
    array: NDArray[Any],
    chunks: Mapping[bytes, bytes],
    *,
    exif: bytes | None = None,
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """16-bit PNG, which Pillow does not write in colour."""
    height, width = array.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2] if array.ndim == 3 else 1]
    rows = np.ascontiguousarray(array, ">u2").reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # each row as its difference to the row above
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    parts += [(name, content) for name, content in chunks.items() if not (icc_profile and name == b"sRGB")]
    if icc_profile:
        parts.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile)))
    if dpi:
        parts.append((b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)))
    if exif:
        parts.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    parts += [(b"IDAT", zlib.compress(filtered.data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
