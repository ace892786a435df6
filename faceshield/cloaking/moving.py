"""One moving picture: the same noise on the face in every frame that shows it, the other frames as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from faceshield.cloaking.album import Item
from faceshield.cloaking.check_frames import check_frames
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.ensemble import AlignedCrops
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import Perturbation
from faceshield.cloaking.photo import changed, finished, laid_on, measure
from faceshield.cloaking.report import FaceReport, PhotoReport
from faceshield.core.errors import UnprotectedError
from faceshield.core.store import sha256
from faceshield.core.types import Face, Photo
from faceshield.imaging.animate import encode_animation
from faceshield.imaging.animation import Animation, open_animation
from faceshield.imaging.blend import Region


def moving(data: bytes, path: Path, options: Options) -> Animation | None:
    """The animation that ``data`` is where all frames are asked for; None for what is cloaked as a photo."""
    return open_animation(data, path) if options.frames == "all" else None


def first_seen(animation: Animation, finder: Finder) -> AlignedCrops:
    """The person's face in the first frame that shows it. Raises UnprotectedError where none does."""
    reason = ""
    for photo, _ in animation.frames():
        rgb = photo.rgb8()
        try:
            return AlignedCrops.of(rgb, finder.find(rgb, animation.path)[0][0])
        except UnprotectedError as error:
            reason = reason or str(error)
    raise _nowhere(animation, reason)


def cloak_frames(
    animation: Animation, item: Item, places: OutputNames, worn: Perturbation, finder: Finder, options: Options
) -> PhotoReport:
    """Cloak ``animation`` into ``places.out``: frames are decoded once to look, once to write and once to check.

    Raises UnprotectedError where no frame shows the face, and for masks: each frame would get another one, and frames
    that are nearly alike can be averaged until little of any mask is left. Raises PhotoError for a damaged file or a
    format that does not move, StoreError where the folder cannot be written.
    """
    if options.against != "training":
        raise UnprotectedError(
            f"{item.source}: is animated, and a mask for each frame could be averaged away over the frames;"
            " use --frames first, or --against training"
        )
    cast = _cast(animation, finder)
    digest = sha256(animation.data)
    kind = partial(
        encode_animation,
        animation,
        alpha=cast.alpha,
        grey=cast.grey,
        format=options.format,
        quality=options.quality,
        metadata=options.metadata,
    )
    regions: list[list[Region]] = []
    faces: list[FaceReport] = []
    encoded = kind(_cloaked(animation, cast, worn, digest, regions, faces))
    touched = sum(bool(own) for own in regions)
    if not touched:
        raise UnprotectedError(f"{item.source}: the face is too small or too far outside to change a pixel of it")
    frames = _cloaked(animation, cast, worn, digest, [], [])
    checked = check_frames(animation, frames, encoded, regions, worn.epsilon, lambda: kind(animation.frames()))
    report = finished(item, places, worn, encoded, checked, digest)
    partly = f"the face was clear in {touched} of {animation.count} frames: the others are as they were"
    return replace(
        report,
        faces=tuple(faces),
        faces_seen=cast.most,
        frames=animation.count,
        frames_cloaked=touched,
        notices=(*report.notices, *([partly] if touched < animation.count else [])),
    )


@dataclass(frozen=True)
class _Cast:
    """Who is in which frame (``faces``, counted like the frames), the ``most`` faces seen in one, and what all frames
    have in common.
    """

    faces: Sequence[Sequence[Face]]
    most: int
    alpha: bool
    grey: bool


def _cast(animation: Animation, finder: Finder) -> _Cast:
    faces: list[Sequence[Face]] = []
    most, alpha, grey, reason = 0, False, True, ""
    for photo, _ in animation.frames():
        alpha |= photo.alpha is not None and bool(photo.alpha.min() < 255)
        grey &= photo.grey
        try:
            found, seen = finder.find(photo.rgb8(), animation.path)
        except UnprotectedError as error:
            found, seen, reason = [], 0, reason or str(error)
        faces.append(found)
        most = max(most, seen)
    if not any(faces):
        raise _nowhere(animation, reason)
    return _Cast(faces, most, alpha, grey)


def _cloaked(
    animation: Animation,
    cast: _Cast,
    worn: Perturbation,
    digest: str,
    regions: list[list[Region]],
    faces: list[FaceReport],
) -> Iterator[tuple[Photo, float]]:
    """Each frame with what is worn; ``regions`` and ``faces`` grow by what it has on it."""
    for number, ((photo, ms), own) in enumerate(zip(animation.frames(), cast.faces, strict=True), 1):
        photo = replace(photo, grey=cast.grey)
        pixels, places = laid_on(photo, own, worn, digest)
        if not changed(photo, pixels, places):
            own, places = [], []
        regions.append(places)
        found = (measure(photo, pixels, face, place) for face, place in zip(own, places, strict=True))
        faces += [replace(face, frame=number) for face in found]
        yield replace(photo, pixels=pixels), ms


def _nowhere(animation: Animation, reason: str) -> UnprotectedError:
    return UnprotectedError(f"{reason} (the first of {animation.count} frames, none of which shows a clear face)")
