"""From a decoded Pillow picture to planes: RGB, alpha and whether there is only one channel."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin, TiffImagePlugin

from faceshield.core.errors import PhotoError
from faceshield.imaging import ifd, window
from faceshield.imaging.orientation import turn_upright

_UNUSUAL_DEEP = "holds 16-bit pixels of an unusual kind; save it as a 16-bit PNG or an 8-bit picture first"
_BAND = 30_000  # pixels: less than the 128 KB from which allocators ask the system for fresh memory each time

_ROWS = 256


@dataclass(frozen=True)
class Raster:
    """The planes of a decoded picture.

    Attributes:
        pixels: (H, W, 3) uint8 or uint16 RGB.
        alpha: (H, W) or None.
        grey: whether the file has one colour channel, so that the three planes are equal.
        changes: what could not stay as it was in the file, in plain words.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    grey: bool = False
    changes: list[str] = field(default_factory=list)


def from_picture(picture: ImageFile.ImageFile, data: bytes, orientation: int = 1) -> Raster:
    """The planes of a picture that was opened from ``data``, turned upright as EXIF's ``orientation`` says.

    Raises PhotoError for pixels that are neither 8- nor 16-bit colours, and what the decoder raises for damage.
    """
    if _is_large(picture, data):
        pixels = window.decode(picture, data, orientation)
        if pixels is not None:
            return Raster(pixels, grey=picture.mode == "L")
    # decoding also where OpenCV does it again: OpenCV accepts cut-off files, Pillow does not
    picture.load()
    if _is_deep(picture, data):
        return _turn(_read_deep(data, picture), orientation)
    # Pillow turns 8-bit TIFF pictures upright by itself
    return _turn(_read_plain(picture), 1 if picture.format == "TIFF" else orientation)


def _turn(planes: Raster, orientation: int) -> Raster:
    alpha = None if planes.alpha is None else turn_upright(planes.alpha, orientation)
    return replace(planes, pixels=turn_upright(planes.pixels, orientation), alpha=alpha)


def _read_plain(picture: Image.Image) -> Raster:
    """The planes of a decoded picture of 8 bits a colour or less."""
    changes = []
    shown = picture
    see_through = "transparency" in picture.info
    if picture.mode == "1":
        shown = picture.convert("LA" if see_through else "L")
        changes.append("1-bit black and white becomes 8-bit grey")
    elif picture.mode in ("P", "PA"):
        shown = picture.convert("RGBA" if see_through or picture.mode == "PA" else "RGB")
        changes.append("the palette becomes full colour")
    elif picture.mode in ("L", "RGB") and see_through:
        shown = picture.convert("LA" if picture.mode == "L" else "RGBA")
        changes.append("the see-through colour becomes an alpha channel")
    elif picture.mode == "CMYK":
        shown = _cmyk_to_rgb(picture)
        changes.append("CMYK colours become RGB")
    elif picture.mode in ("RGBX", "YCbCr", "RGBa", "La"):
        shown = picture.convert({"RGBa": "RGBA", "La": "LA"}.get(picture.mode, "RGB"))
    if shown.mode not in ("L", "LA", "RGB", "RGBA"):
        raise PhotoError(f"holds pixels of an unusual kind ({picture.mode}); save it as 8- or 16-bit RGB first")
    return split(_array(shown), changes)


def _is_large(picture: ImageFile.ImageFile, data: bytes) -> bool:
    width, height = picture.size
    jpeg = isinstance(picture, JpegImagePlugin.JpegImageFile) and picture.mode in ("RGB", "L")
    info = picture.info
    in_order = "transparency" not in info and not info.get("interlace") and not getattr(picture, "is_animated", False)
    png = picture.format == "PNG" and picture.mode == "RGB" and in_order and not _is_deep(picture, data)
    return (jpeg or png) and width * height >= window.LARGE


def _array(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C) uint8, copied in bands: a large photo at once takes Pillow three times as long."""
    width, height = picture.size
    array = np.empty((height, width, len(picture.getbands())), np.uint8)
    rows = max(1, _BAND // max(1, width))
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        array[top : top + rows] = np.asarray(band).reshape(-1, *array.shape[1:])
    return array


def split(array: NDArray[Any], changes: list[str] | None = None) -> Raster:
    """Planes of an (H, W) or (H, W, 1–4) array: grey, grey with alpha, RGB, RGBA."""
    if array.ndim == 2:
        array = array[..., None]
    colours = array.shape[2] - (array.shape[2] in (2, 4))
    alpha = np.ascontiguousarray(array[..., -1]) if array.shape[2] in (2, 4) else None
    pixels = np.repeat(array[..., :1], 3, axis=2) if colours == 1 else np.ascontiguousarray(array[..., :3])
    return Raster(pixels, alpha, colours == 1, changes or [])


def is_grey(pixels: NDArray[Any]) -> bool:
    """Whether the three planes of ``pixels`` (H, W, 3) are equal, looked at in bands: numpy notes a byte for each."""
    bands = (pixels[top : top + _ROWS] for top in range(0, len(pixels), _ROWS))
    return all(np.array_equal(band[..., 0], band[..., other]) for band in bands for other in (1, 2))


def join(pixels: NDArray[Any], alpha: NDArray[Any] | None, grey: bool) -> NDArray[Any]:
    """The inverse of :func:`split`: (H, W) for grey, else (H, W, 2–4)."""
    if alpha is not None:
        return np.dstack([pixels[..., 0] if grey else pixels, alpha])
    return pixels[..., 0] if grey else pixels


def _is_deep(picture: ImageFile.ImageFile, data: bytes) -> bool:
    if picture.format == "PNG":
        return data[24] == 16
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        bits = picture.tag_v2.get(258, 1)
        return bool(np.max(bits) == 16)
    return False


def _read_deep(data: bytes, picture: ImageFile.ImageFile) -> Raster:
    """16-bit pixels, which Pillow would cut to 8 bits in colour pictures."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        # white as zero, or colours multiplied by alpha: OpenCV hands them on as they are
        if picture.tag_v2.get(262) not in (1, 2) or 1 in np.atleast_1d(picture.tag_v2.get(338, 2)):
            raise PhotoError(_UNUSUAL_DEEP)
        data = ifd.reset_tag(data, 274)  # the orientation, which some versions of OpenCV obey and others do not
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise PhotoError(_UNUSUAL_DEEP)
    key = picture.info.get("transparency") if picture.format == "PNG" else None
    if array.ndim == 3 and array.shape[2] >= 3:
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
        if picture.format == "PNG" and data[25] == 4:
            array = array[..., [0, 3]]
    elif isinstance(key, int):  # OpenCV turns a see-through colour into alpha, but not a see-through grey
        array = np.dstack([array, np.where(array.reshape(array.shape[:2]) == key, 0, 65535).astype(np.uint16)])
    return split(array, ["the see-through colour becomes an alpha channel"] if key is not None else [])


def _cmyk_to_rgb(picture: Image.Image) -> Image.Image:
    icc = picture.info.get("icc_profile")
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, ImportError):
            converted = None  # a damaged profile: the plain conversion is what other programs show as well
        if converted is not None:
            return converted
    return picture.convert("RGB")
