"""One photo: load, find the face, add the person's noise, write, and check what was written from its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.album import Item
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.options import Options
from faceshield.cloaking.report import FaceReport, PhotoReport
from faceshield.core.errors import PhotoError, UnprotectedError
from faceshield.core.store import sha256, write_bytes
from faceshield.core.types import Face, Photo
from faceshield.evaluation.visibility import linf_255, psnr, ssim
from faceshield.faces.align import canvas_matrix
from faceshield.imaging.blend import Region, blend
from faceshield.imaging.photo import Encoded, decode, encode, read
from faceshield.noise.identity import Identity


def cloak_one(item: Item, out: Path, identity: Identity, finder: Finder, options: Options) -> PhotoReport:
    """Cloak one photo into ``out``. A photo without the face raises UnprotectedError and is written nowhere.

    Raises PhotoError for a file that is no usable picture, StoreError where ``out`` cannot be written.
    """
    data = read(item.source)
    photo = decode(data, item.source)
    faces, seen = finder.find(photo.rgb8(), item.source)
    matrices = [canvas_matrix(face, identity.delta.shape[-1]) for face in faces]
    pixels, regions = blend(photo, [(identity.delta, matrix) for matrix in matrices], identity.epsilon)
    if np.array_equal(pixels, photo.pixels):
        raise UnprotectedError(f"{item.source}: the face is too small or too far outside to change a pixel of it")
    encoded = encode(photo, pixels, format=options.format, quality=options.quality, metadata=options.metadata)
    lossless, written, resaved = _check(photo, pixels, encoded, regions, identity.epsilon, options)
    place = item.place.with_suffix(encoded.suffix)
    write_bytes(out / place, encoded.data)
    return PhotoReport(
        source=str(item.source),
        status="cloaked",
        output=str(place),
        identity=identity.name,
        epsilon=identity.epsilon,
        faces=tuple(_measure(photo, pixels, face, region) for face, region in zip(faces, regions, strict=True)),
        faces_seen=seen,
        lossless=lossless,
        written_linf_255=written,
        resaved_linf_255=resaved,
        stripped=tuple(encoded.stripped),
        notices=tuple(encoded.notices),
        changes=tuple(encoded.changes),
        sha256_input=sha256(data),
        sha256_output=sha256(encoded.data),
    )


def _measure(photo: Photo, pixels: NDArray[Any], face: Face, region: Region) -> FaceReport:
    before, after = region.of(photo.pixels), region.of(pixels)
    return FaceReport(
        box=tuple(round(float(edge), 1) for edge in face.box),
        score=round(face.score, 4),
        region=(region.y0, region.x0, region.y1, region.x1),
        linf_255=linf_255(before, after),
        psnr=round(psnr(before, after), 2),
        ssim_face=round(ssim(before, after), 4),
    )


def _check(
    photo: Photo, pixels: NDArray[Any], encoded: Encoded, regions: Sequence[Region], epsilon: float, options: Options
) -> tuple[bool, float, float]:
    """Decode what will be written and compare it with the original.

    Returns whether it kept every pixel, its L∞ in the regions, and the same for the untouched photo saved alike. A
    lossless file is held to ε and to no change outside the regions from its bytes alone.
    """
    decoded = decode(encoded.data, photo.path)
    if decoded.pixels.shape != pixels.shape:
        raise PhotoError(f"{photo.path}: came back in another size and was not written; use --format png")
    lossless = decoded.pixels.dtype == pixels.dtype and np.array_equal(decoded.pixels, pixels)
    if not lossless:
        if encoded.format in ("PNG", "TIFF"):
            raise PhotoError(f"{photo.path}: its format did not keep the pixels and was not written; use --format png")
        resaved = max(_resaved(photo, region, encoded.format, options) for region in regions)
        return False, _worst(photo, decoded, regions), resaved
    changed = (decoded.pixels != photo.pixels).any(2)
    for region in regions:
        region.of(changed)[:] = False
    written = _worst(photo, decoded, regions)
    assert written <= epsilon * 255 + 1e-3, f"{photo.path}: the written bytes break the bound ({written}/255)"
    assert not changed.any(), f"{photo.path}: the written bytes changed outside the face"
    return True, written, 0.0


def _resaved(photo: Photo, region: Region, format: str, options: Options) -> float:
    """L∞ that saving the untouched photo the same way does in ``region``: what the codec alone costs."""
    if format == "JPEG" and photo.orientation == 1:
        # JPEG codes squares of at most 16 pixels on their own: a cut along them gives the same and costs little
        y0, x0 = max(0, region.y0 - 16) // 16 * 16, max(0, region.x0 - 16) // 16 * 16
        cut = Region(y0, x0, -(-(region.y1 + 16) // 16) * 16, -(-(region.x1 + 16) // 16) * 16)
        alpha = None if photo.alpha is None else cut.of(photo.alpha)
        photo = replace(photo, pixels=cut.of(photo.pixels), alpha=alpha)
        region = Region(region.y0 - y0, region.x0 - x0, region.y1 - y0, region.x1 - x0)
    saved = encode(photo, photo.pixels, format=options.format, quality=options.quality, metadata="none")
    return _worst(photo, decode(saved.data, photo.path), [region])


def _worst(photo: Photo, other: Photo, regions: Sequence[Region]) -> float:
    same = photo.pixels.dtype == other.pixels.dtype
    a, b = (photo.pixels, other.pixels) if same else (photo.rgb8(), other.rgb8())
    return max(linf_255(region.of(a), region.of(b)) for region in regions)


def unprotected(item: Item, error: UnprotectedError) -> PhotoReport:
    """The report of a photo that was left alone because its face was not found."""
    return PhotoReport(source=str(item.source), status="unprotected", reason=str(error))


def failed(item: Item, error: Exception) -> PhotoReport:
    """The report of a file that could not be read or written."""
    return replace(unprotected(item, UnprotectedError(str(error))), status="failed")
