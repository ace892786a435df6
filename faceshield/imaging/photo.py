"""Photos in and out: decode to upright pixels of full size, encode to a file that holds no other pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import PhotoError, UsageError
from faceshield.core.types import Photo, to_uint8
from faceshield.imaging import containers, encoders, formats, heif, jpeg_end, raster, window
from faceshield.imaging import metadata as exif_rules
from faceshield.imaging.opening import MAX_PIXELS, read, refuse_undecodable
from faceshield.imaging.orientation import turn_back, view_back

JPEG_QUALITY = 95  # for pictures that were not JPEG before
LOSSY_QUALITY = 90  # WebP, HEIF and AVIF do not record the quality they were made with

Format = Literal["same", "png", "jpeg", "webp"]


@dataclass(frozen=True)
class Encoded:
    """An encoded file, and what its owner should know of it in plain words.

    Attributes:
        data: the bytes of the file.
        format: "JPEG", "PNG", …
        suffix: with the dot; the original's where it fits the format.
        stripped: what the original held and ``data`` does not.
        notices: private facts that ``data`` still holds.
        changes: what differs from the original (format, colour model, transparency, quality).
    """

    data: bytes = field(repr=False)
    format: str
    suffix: str
    stripped: list[str]
    notices: list[str]
    changes: list[str]


def load(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode one picture; the content, not the name, decides what it is.

    Returns upright RGB pixels (H, W, 3), uint16 where the file has 16 bits a colour, else uint8.
    Raises PhotoError, in one line: no such file, not a picture, cut off, damaged, animated, more than
    ``max_pixels``, or in need of the extra ``[heif]``. Damaged EXIF is no error.
    """
    path = Path(path)
    return decode(read(path, max_pixels), path, max_pixels=max_pixels)


def decode(data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS, first: bool = False) -> Photo:
    """:func:`load` for bytes already read; ``path`` names them in errors and gives the suffix to write.

    ``first``: of an animation, its first frame as a still picture, instead of an error.
    """
    with refuse_undecodable(path):
        return _decode(data, path, max_pixels, first)


def encode(
    photo: Photo,
    pixels: NDArray[Any],
    *,
    format: Format = "same",
    quality: int | Literal["same"] = "same",
    metadata: exif_rules.Policy = "keep",
) -> Encoded:
    """``pixels`` (H, W, 3), upright RGB of ``photo``'s size and dtype, as a file like the original.

    Raster orientation, grey, alpha, ICC profile, resolution and (JPEG, ``quality="same"``) quantisation tables,
    chroma subsampling and progression stay; with ``quality="same"`` a lossless original stays exact unless it
    becomes JPEG. Nothing that could show the original pixels is carried over. ``metadata``: see
    :func:`faceshield.imaging.metadata.carry`. Raises PhotoError where the format cannot hold the picture;
    UsageError for an unknown format, quality or policy; ValueError for pixels of another shape or dtype, or with
    unequal planes for a grey photo.
    """
    _refuse_unfit(photo, pixels)
    _refuse_unknown(format, quality, metadata)
    changes = list(photo.details.get("changes", ()))
    target = _target(photo, format, quality, changes)
    grey = photo.grey and target != "WEBP"  # which has no grey
    alpha = photo.alpha
    if target in ("JPEG", "WEBP", "AVIF") and pixels.dtype == np.uint16:
        pixels, alpha = to_uint8(pixels), None if alpha is None else to_uint8(alpha)
        changes.append(f"16 bits a colour become 8: {target} has no more")
    if target == "JPEG" and alpha is not None:
        pixels, alpha = _flatten_on_white(pixels, alpha), None
        changes.append("transparency becomes white: JPEG has none")
    # a large JPEG is turned as it is encoded
    turn = view_back if target == "JPEG" and pixels.size >= 3 * window.LARGE else turn_back
    array = turn(raster.join(pixels, alpha, grey), photo.orientation)
    icc = exif_rules.check_profile(photo.icc, grey)
    carried = exif_rules.carry(photo.exif, photo.orientation, metadata)
    try:
        data = _write(target, array, photo, quality, icc, carried, changes)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(f"{photo.path}: cannot be written as {target} ({error}); use another format") from error
    suffix, renamed = choose_suffix(photo.path, photo.format, target)
    changes += renamed
    lost = ["colour profile (damaged or for other colours)"] if photo.icc and not icc else []
    stripped = list(dict.fromkeys([*photo.details.get("beside", ()), *carried.stripped, *lost]))
    return Encoded(data, target, suffix, stripped, carried.notices, changes)


def _decode(data: bytes, path: Path, max_pixels: int, first: bool) -> Photo:
    format = formats.sniff(data)
    if format is None:
        raise PhotoError(f"is not a picture in a format that can be read; use {formats.READABLE}")
    if format == "HEIF":
        planes, details, beside = heif.read(data, max_pixels)
        exif, icc = details.pop("exif"), details.pop("icc")
        orientation = 1  # HEIF has another way to state it, which the decoder has applied
    else:
        picture = formats.open_picture(data, format)
        formats.refuse_unsafe(picture, data, max_pixels, moving=first)
        repaired = format == "JPEG" and jpeg_end.lacks_end(data)
        if repaired:
            data = jpeg_end.add_end(data)
            picture = formats.open_picture(data, format)
        details = formats.read_settings(picture, data)
        beside = containers.list_extras(data, format, picture.info)
        exif, icc = picture.info.get("exif"), picture.info.get("icc_profile")
        if format == "TIFF":  # its main directory is its EXIF
            whole = exif_rules.carry(data, exif_rules.read_orientation(data) or 1)
            exif, beside = whole.exif(), beside + whole.stripped
        beside += formats.list_pages(picture)
        orientation = (
            exif_rules.read_orientation(exif) or containers.read_xmp_orientation(data, format, picture.info) or 1
        )
        planes = raster.from_picture(picture, data, orientation)
        planes.changes.extend([jpeg_end.MISSING_END] if repaired else [])
        if picture.mode == "CMYK":
            icc = None  # the conversion to RGB has used it
        del picture  # a large one takes more memory than all that follows
    return Photo(
        pixels=planes.pixels,
        path=path,
        format=format,
        grey=planes.grey,
        alpha=planes.alpha,
        exif=exif,
        icc=icc,
        orientation=orientation,
        details={**details, "beside": tuple(beside), "changes": tuple(planes.changes)},
    )


def choose_suffix(path: Path, format: str, target: str) -> tuple[str, list[str]]:
    """The suffix for a file at ``path`` that was ``format`` and becomes ``target``; notes where it was a wrong one."""
    suffix, said = path.suffix, []
    if suffix.lower() not in formats.SUFFIXES[target]:
        if suffix.lower() not in formats.SUFFIXES[format]:
            said.append(f"the name says {suffix or 'nothing'}, but the file is {format}")
        suffix = formats.SUFFIXES[target][0]
    return suffix, said


def describe_loss(format: str) -> str:
    """The note for a file written with :data:`LOSSY_QUALITY` because the original's quality is unknown."""
    return f"quality {LOSSY_QUALITY}: {format} files do not record the one they were made with"


def _refuse_unknown(format: str, quality: int | str, metadata: str) -> None:
    if quality != "same" and not (isinstance(quality, int) and 1 <= quality <= 100):
        raise UsageError(f"quality {quality!r} is out of range; use 'same' or 1 to 100")
    if metadata not in get_args(exif_rules.Policy):
        raise UsageError(f"metadata {metadata!r} is unknown; use 'keep', 'no-location' or 'none'")
    if format not in get_args(Format):
        raise UsageError(f"format {format!r} is unknown; use 'same', 'png', 'jpeg' or 'webp'")


def _refuse_unfit(photo: Photo, pixels: NDArray[Any]) -> None:
    if pixels.shape != photo.pixels.shape or pixels.dtype != photo.pixels.dtype:
        raise ValueError(
            f"pixels must be {photo.pixels.shape} {photo.pixels.dtype} like the photo's, "
            f"but got {pixels.shape} {pixels.dtype}"
        )
    if photo.grey and not raster.is_grey(pixels):
        raise ValueError("the photo is grey, so the three planes of its new pixels must be equal")


def choose_format(photo: Photo, format: Format) -> str:
    """The format that ``photo`` is written in for the option ``format``, as Pillow names it."""
    if format != "same":
        return format.upper()
    return "PNG" if photo.format in ("GIF", "BMP") else photo.format


def _target(photo: Photo, format: Format, quality: int | str, changes: list[str]) -> str:
    """:func:`choose_format`; what that costs goes to ``changes``."""
    target = choose_format(photo, format)
    lossy = target == "JPEG" or (target == "WEBP" and quality != "same")
    if formats.is_lossless(photo) and lossy:
        changes.append(f"{photo.format} without loss becomes {target} with loss: every pixel may change a little")
    elif target != photo.format:
        changes.append(f"{photo.format} becomes {target}")
    return target


def _write(
    target: str,
    array: NDArray[Any],
    photo: Photo,
    quality: int | Literal["same"],
    icc: bytes | None,
    carried: exif_rules.ExifCopy,
    changes: list[str],
) -> bytes:
    details = photo.details if target == photo.format else {}
    exif, dpi = carried.exif(), photo.details.get("dpi")
    number = None if quality == "same" else quality
    if target == "JPEG":
        if number is None and not details.get("qtables"):
            number = JPEG_QUALITY
        if details.get("odd_sampling"):
            changes.append("colour is stored at full resolution: the original's subsampling cannot be written")
        return encoders.jpeg(array, number, details, exif=exif, icc_profile=icc, dpi=dpi)
    if target == "PNG":
        return encoders.png(array, details.get("colour_chunks", {}), exif=exif, icc_profile=icc, dpi=dpi)
    if target == "TIFF":
        if details.get("compression") not in encoders.TIFF_LOSSLESS:
            changes.append("TIFF compression becomes Deflate, which loses nothing")
        return encoders.tiff(array, details.get("compression", "raw"), carried, icc, dpi)
    if target == "WEBP" and number is None and formats.is_lossless(photo):
        return encoders.webp(array, None, exif=exif, icc_profile=icc)
    if number is None:
        number = LOSSY_QUALITY
        changes.append(describe_loss(photo.format))
    if target == "HEIF":
        settings = {"chroma": details.get("chroma", 420), "nclx": details.get("nclx")}
        return heif.write(array, number, exif=exif, icc=icc, **settings)
    encoder = encoders.webp if target == "WEBP" else encoders.avif
    return encoder(array, number, exif=exif, icc_profile=icc)


def _flatten_on_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha[..., None].astype(np.float32) / 255
    return np.rint(pixels * weight + 255 * (1 - weight)).astype(np.uint8)
