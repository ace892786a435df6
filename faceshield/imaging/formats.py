"""The picture formats that are read: recognised by content, and opened with the decoder for that content."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from faceshield.core.errors import PhotoError
from faceshield.imaging.containers import PNG_COLOUR, count_jpeg_scans, read_png_chunks, webp_is_lossless

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}
PICTURES = (*(suffix for suffixes in SUFFIXES.values() for suffix in suffixes), ".mpo")
"""Of files in a folder that are taken for photos; an MPO is written again as a JPEG."""
MOVING = ("GIF", "PNG", "WEBP", "AVIF")
_LOSSLESS = ("PNG", "TIFF", "BMP", "GIF")
READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC or AVIF"

_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
# luma samples for one chroma sample (across, down), and Pillow's number for it
_SAMPLINGS = {(1.0, 1.0): 0, (2.0, 1.0): 1, (2.0, 2.0): 2}
_MAX_SCANS = 100  # a progressive JPEG has about ten
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}


class Original(Protocol):
    """The format and settings of a photo or an animation."""

    @property
    def format(self) -> str: ...

    @property
    def details(self) -> Mapping[str, Any]: ...


def sniff(data: bytes) -> str | None:
    """The format's name as in :data:`SUFFIXES`, by the first bytes alone; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        brands = {box[i : i + 4] for i in range(0, len(box), 4)}
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else None
    return next((name for start, name in _STARTS.items() if data.startswith(start)), None)


def open_picture(data: bytes, format: str) -> ImageFile.ImageFile:
    """The picture, its header read but its pixels not yet decoded.

    The decoder class is called directly: going through ``Image.open`` would try every registered format and obey
    global limits that another library may have changed. Raises whatever the decoder raises; PhotoError where a
    format needs an extra that is absent.
    """
    if format == "AVIF":
        return _avif(data)
    return _OPENERS[format](io.BytesIO(data))


def _avif(data: bytes) -> ImageFile.ImageFile:
    try:
        from PIL import AvifImagePlugin
    except ImportError:
        raise PhotoError("is an AVIF picture; reading it needs Pillow 11.3 or newer") from None
    if not AvifImagePlugin.SUPPORTED:
        raise PhotoError("is an AVIF picture, which this build of Pillow cannot read; convert it to JPEG or PNG")
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))


def refuse_unsafe(picture: ImageFile.ImageFile, data: bytes, max_pixels: int, moving: bool = False) -> None:
    """Raise PhotoError for pictures too costly to decode, camera raw files and, unless ``moving``, animations."""
    width, height = picture.size
    if width * height > max_pixels:
        raise build_size_error(width, height, max_pixels)
    if isinstance(picture, JpegImagePlugin.JpegImageFile) and count_jpeg_scans(data) > _MAX_SCANS:
        raise PhotoError(f"has more than {_MAX_SCANS} scans, which no camera writes; save it anew")
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        kind = picture.tag_v2.get(254, 0)
        if 50706 in picture.tag_v2 or (isinstance(kind, int) and kind & 1):
            raise PhotoError("is a camera's raw file; export it as JPEG, PNG or TIFF first")
    elif getattr(picture, "is_animated", False) and not moving:
        raise PhotoError("is animated, and here only a still picture will do; save one frame of it")


def build_size_error(width: int, height: int, max_pixels: int) -> PhotoError:
    """The refusal of a picture whose pixels would not fit into memory."""
    return PhotoError(
        f"has {width}×{height} pixels, more than the {max_pixels / 1e6:g} million allowed; make it smaller"
    )


def read_settings(picture: ImageFile.ImageFile, data: bytes) -> dict[str, Any]:
    """How the file was made, for :mod:`faceshield.imaging.encoders` to repeat: see `Photo.details`.

    dpi · JPEG: qtables, subsampling, odd_sampling, progressive, keep_rgb · PNG: colour_chunks ·
    WebP: lossless · TIFF: compression. Read before decoding, which changes some of it.
    """
    found: dict[str, Any] = {}
    dpi = picture.info.get("dpi")
    if isinstance(picture, TiffImagePlugin.TiffImageFile) and 282 not in picture.tag_v2:
        dpi = None  # the file states none; Pillow invents one
    with contextlib.suppress(TypeError, ValueError, OverflowError, ZeroDivisionError):  # rationals of damaged EXIF
        x, y = (float(value) for value in dpi or ())
        if 0 < x < 65536 and 0 < y < 65536:
            found["dpi"] = (x, y)
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        found |= _jpeg_settings(picture)
    elif picture.format == "PNG":
        found["colour_chunks"] = {
            name: content for name, content in read_png_chunks(data) if PNG_COLOUR.get(name) == len(content)
        }
    elif picture.format == "WEBP":
        found["lossless"] = webp_is_lossless(data)
    elif picture.format == "TIFF":
        found["compression"] = picture.info.get("compression")
    return found


def is_lossless(photo: Original) -> bool:
    """True where the original file stores its pixels exactly."""
    return photo.format in _LOSSLESS or bool(photo.details.get("lossless"))


def list_pages(picture: ImageFile.ImageFile) -> list[str]:
    """Name the pages after the first one of a TIFF file, or the frames after the first one of an animation."""
    further = getattr(picture, "n_frames", 1) - 1
    if picture.format not in ("TIFF", *MOVING) or not further:
        return []
    return [f"{further} further {'page' if picture.format == 'TIFF' else 'frame'}(s)"]


def _jpeg_settings(picture: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    # the encoder gives table i to component i, and the last table to those that remain
    tables = [picture.quantization.get(component[3]) for component in picture.layer[:3]]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    shapes = [component[1:3] for component in picture.layer]
    ratios = {(shapes[0][0] / width, shapes[0][1] / height) for width, height in shapes[1:] if width and height}
    sampling = _SAMPLINGS.get(ratios.pop()) if len(ratios) == 1 and picture.layers == 3 else None
    info = picture.info
    transform = info.get("adobe_transform") if "adobe" in info else None
    ids = bytes(component[0] for component in picture.layer)
    return {
        "qtables": None if None in tables else tables,
        "subsampling": sampling or 0,
        "odd_sampling": sampling is None and picture.layers == 3,
        "progressive": bool(info.get("progressive")),
        # the rule of the JPEG library for three channels that are not YCbCr
        "keep_rgb": picture.layers == 3
        and "jfif" not in info
        and (transform == 0 or (transform is None and ids == b"RGB")),
    }
