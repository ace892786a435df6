"""One photo: find the face, add the perturbation, encode, check the encoded bytes, and write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from faceshield.cloaking.album import Item
from faceshield.cloaking.check import Check, Written, check
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import Perturbation
from faceshield.cloaking.report import FaceReport, PhotoReport
from faceshield.core.errors import UnprotectedError
from faceshield.core.store import sha256, write_bytes
from faceshield.core.types import Face, Photo
from faceshield.evaluation.flip import flip
from faceshield.evaluation.tint import measure_patches
from faceshield.evaluation.visibility import delta_e, linf_255, psnr, ssim
from faceshield.faces.align import fit_canvas
from faceshield.imaging.blend import Changed, Region, make_patches
from faceshield.imaging.photo import Encoded, encode


def cloak_one(
    photo: Photo,
    digest: str,
    item: Item,
    names: OutputNames,
    perturbation: Perturbation,
    finder: Finder,
    options: Options,
) -> PhotoReport:
    """Cloak ``item``'s ``photo``, whose file has the SHA-256 ``digest``, into ``names.out``.

    Raises UnprotectedError, and writes nothing, where the person's face is not found; PhotoError where it cannot be
    written as ``options`` say; StoreError where the folder cannot be written.
    """
    faces, seen = finder.recall(item.source, digest) or finder.find(photo.rgb8(), item.source)
    pixels = add_perturbation(photo, faces, perturbation, digest)
    regions = pixels.regions
    if not has_changed(photo, pixels):
        raise UnprotectedError(f"{item.source}: the face is too small or too far outside to change a pixel of it")
    with pixels.whole() as whole:
        encoded = encode(photo, whole, format=options.format, quality=options.quality, metadata=options.metadata)
    written = Written(encoded, photo.path)
    checked = check(photo, pixels, written, regions, perturbation.epsilon, options)
    distances = perturbation.measure_distances(written, faces)
    report = write_output(item, names, perturbation, encoded, checked, digest)
    return replace(
        report,
        faces=tuple(measure(photo, pixels, face, region) for face, region in zip(faces, regions, strict=True)),
        faces_seen=seen,
        distances=None if distances is None else {name: round(far, 3) for name, far in distances.items()},
        still_matched=perturbation.find_matches(distances or {}),
    )


def add_perturbation(photo: Photo, faces: Sequence[Face], perturbation: Perturbation, digest: str) -> Changed:
    """``photo``'s pixels with the perturbation added to ``faces``, each in a region of its own.

    ``digest`` is the SHA-256 of the photo's file.
    """
    deltas = [perturbation.delta_of(photo, face, digest) for face in faces]
    placed = [(delta, fit_canvas(face, delta.shape[-1])) for delta, face in zip(deltas, faces, strict=True)]
    return Changed(photo.pixels, make_patches(photo, placed, perturbation.epsilon))


def has_changed(photo: Photo, pixels: Changed) -> bool:
    """Whether any of ``pixels`` differs from ``photo``."""
    return not all(np.array_equal(region.of(pixels), region.of(photo.pixels)) for region in pixels.regions)


def write_output(
    item: Item, names: OutputNames, perturbation: Perturbation, encoded: Encoded, checked: Check, digest: str
) -> PhotoReport:
    """Write ``encoded`` below ``names.out`` and report it; the caller adds the faces.

    Raises StoreError where it cannot be written.
    """
    place = names.settle(item, encoded.suffix, encoded.data)
    write_bytes(names.out / place, encoded.data)
    return PhotoReport(
        source=str(item.source),
        status="cloaked",
        output=str(place),
        identity=perturbation.name,
        epsilon=perturbation.epsilon,
        lossless=checked.lossless,
        written_linf_255=checked.written_linf_255,
        resaved_linf_255=checked.resaved_linf_255,
        stripped=tuple(encoded.stripped),
        notices=tuple(encoded.notices),
        changes=tuple(encoded.changes),
        sha256_input=digest,
        sha256_output=sha256(encoded.data),
    )


def measure(photo: Photo, pixels: Changed, face: Face, region: Region) -> FaceReport:
    """Measure how much ``region`` of ``photo`` has changed, before encoding."""
    before, after = region.of(photo.pixels), region.of(pixels)
    delta_e_mean, delta_e_p95 = delta_e(before, after)
    tint, contrast = measure_patches(before, after, face.size)
    error = flip(before, after, face.size)
    return FaceReport(
        box=tuple(round(float(edge), 1) for edge in face.box),
        score=round(face.score, 4),
        region=(region.y0, region.x0, region.y1, region.x1),
        linf_255=linf_255(before, after),
        psnr=round(psnr(before, after), 2),
        ssim_face=round(ssim(before, after), 4),
        delta_e_mean=round(delta_e_mean, 3),
        delta_e_p95=round(delta_e_p95, 3),
        tint_mean=round(tint, 3),
        contrast_p95=round(contrast, 3),
        flip_mean=None if error is None else round(error, 4),
    )


def report_unprotected(item: Item, error: UnprotectedError) -> PhotoReport:
    """Report a photo that was not written because the face was not found."""
    return PhotoReport(source=str(item.source), status="unprotected", reason=str(error))


def report_failed(item: Item, error: Exception) -> PhotoReport:
    """Report a file that could not be read or written."""
    return replace(report_unprotected(item, UnprotectedError(str(error))), status="failed")
