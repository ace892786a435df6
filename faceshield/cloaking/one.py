"""One photo: load, find the face, add what the person wears, write, and check what was written from its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.album import Item
from faceshield.cloaking.check import check
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.options import Options
from faceshield.cloaking.places import Places
from faceshield.cloaking.report import FaceReport, PhotoReport
from faceshield.cloaking.worn import Worn
from faceshield.core.errors import UnprotectedError
from faceshield.core.store import sha256, write_bytes
from faceshield.core.types import Face, Photo
from faceshield.evaluation.visibility import linf_255, psnr, ssim
from faceshield.faces.align import canvas_matrix
from faceshield.imaging.blend import Region, blend
from faceshield.imaging.photo import decode, encode, read


def cloak_one(item: Item, places: Places, worn: Worn, finder: Finder, options: Options) -> PhotoReport:
    """Cloak one photo into ``places.out``. A photo without the face raises UnprotectedError and is written nowhere.

    Raises PhotoError for a file that is no usable picture, StoreError where the folder cannot be written.
    """
    data = read(item.source)
    digest = sha256(data)
    photo = decode(data, item.source)
    faces, seen = finder.found(item.source, digest) or finder.find(photo.rgb8(), item.source)
    deltas = [worn.delta_of(photo, face, digest) for face in faces]
    placed = [(delta, canvas_matrix(face, delta.shape[-1])) for delta, face in zip(deltas, faces, strict=True)]
    pixels, regions = blend(photo, placed, worn.epsilon)
    if all(np.array_equal(region.of(pixels), region.of(photo.pixels)) for region in regions):
        raise UnprotectedError(f"{item.source}: the face is too small or too far outside to change a pixel of it")
    encoded = encode(photo, pixels, format=options.format, quality=options.quality, metadata=options.metadata)
    checked = check(photo, pixels, encoded, regions, worn.epsilon, options)
    still_at = worn.still_at(encoded, photo, faces)
    place = places.settle(item, encoded.suffix, encoded.data)
    write_bytes(places.out / place, encoded.data)
    return PhotoReport(
        source=str(item.source),
        status="cloaked",
        output=str(place),
        identity=worn.name,
        epsilon=worn.epsilon,
        faces=tuple(_measure(photo, pixels, face, region) for face, region in zip(faces, regions, strict=True)),
        faces_seen=seen,
        lossless=checked.lossless,
        written_linf_255=checked.written_linf_255,
        resaved_linf_255=checked.resaved_linf_255,
        still_at=None if still_at is None else round(still_at, 3),
        stripped=tuple(encoded.stripped),
        notices=tuple(encoded.notices),
        changes=tuple(encoded.changes),
        sha256_input=digest,
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


def unprotected(item: Item, error: UnprotectedError) -> PhotoReport:
    """The report of a photo that was left alone because its face was not found."""
    return PhotoReport(source=str(item.source), status="unprotected", reason=str(error))


def failed(item: Item, error: Exception) -> PhotoReport:
    """The report of a file that could not be read or written."""
    return replace(unprotected(item, UnprotectedError(str(error))), status="failed")
