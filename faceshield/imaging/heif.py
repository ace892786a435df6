"""HEIC and HEIF, through the optional package pillow-heif."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import PhotoError
from faceshield.imaging.containers import list_extras
from faceshield.imaging.formats import build_size_error
from faceshield.imaging.raster import Raster, split


def read(data: bytes, max_pixels: int) -> tuple[Raster, dict[str, Any], list[str]]:
    """The primary picture (upright: HEIF turns are done by the decoder), its settings, and what lies beside it.

    Settings: exif and icc as bytes or None, chroma, nclx (what the colours mean). Pictures deeper than 8 bits come
    as uint16.
    Raises PhotoError where pillow-heif is absent or the picture is too large, and what the decoder raises.
    """
    package = _package()
    if data[8:12] in (b"msf1", b"hevc", b"hevx"):
        raise PhotoError("is an image sequence, of which only one could be protected; export one picture of it")
    heif = package.HeifFile(io.BytesIO(data), convert_hdr_to_8bit=False)
    width, height = heif.size
    if width * height > max_pixels:
        raise build_size_error(width, height, max_pixels)
    info = heif.info
    if heif.mode.split(";")[0].endswith("a"):
        raise PhotoError("holds colours multiplied by their transparency; save it as PNG first")
    array: NDArray[Any] = np.array(heif)  # a copy: under numpy 1 the decoder's own buffer goes with ``heif``
    beside = list_extras(data, "HEIF", info)
    beside += [f"{len(heif) - 1} further picture(s)"] if len(heif) > 1 else []
    beside += ["thumbnail (HEIF)"] if info.get("thumbnails") else []
    beside += ["depth map"] if info.get("depth_images") else []
    beside += [f"auxiliary picture ({kind})" for kind in info.get("aux") or ()]
    settings = {
        "exif": info.get("exif"),
        "icc": info.get("icc_profile"),
        "chroma": info.get("chroma", 420),
        "nclx": info.get("nclx_profile"),
    }
    # the buffer has rows of `stride` bytes, which may be longer than the picture is wide
    return split(array[: heif.size[1], : heif.size[0]]), settings, beside


def write(array: NDArray[Any], quality: int, *, exif: bytes | None, icc: bytes | None, chroma: int, nclx: Any) -> bytes:
    """``array`` (H, W[, C]) uint8 or uint16 as one HEIF picture with nothing beside it.

    ``quality`` 0–100, ``chroma`` 420, 422 or 444. Raises PhotoError where pillow-heif is absent.
    """
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2] if array.ndim == 3 else 1]
    deep = array.dtype == np.uint16
    picture = _package().from_bytes(
        mode + (";16" if deep else ""), array.shape[1::-1], array.astype("<u2" if deep else "u1").tobytes()
    )
    if icc:
        picture.info["icc_profile"] = icc
        picture.info["icc_profile_type"] = "prof"
    if nclx:
        picture.info["nclx_profile"] = nclx
    buffer = io.BytesIO()
    picture.save(buffer, quality=quality, chroma=chroma, **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def _package() -> Any:
    try:
        import pillow_heif
    except ImportError:
        raise PhotoError("is a HEIC/HEIF picture; to read it: pip install 'faceshield[heif]'") from None
    return pillow_heif
