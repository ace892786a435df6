"""One animation: the same noise on the face in every frame that shows it; other frames stay as they were."""

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
from faceshield.cloaking.photo import add_perturbation, has_changed, measure, write_output
from faceshield.cloaking.report import FaceReport, PhotoReport
from faceshield.cloaking.strategy import STRATEGIES
from faceshield.core.errors import UnprotectedError
from faceshield.core.store import sha256
from faceshield.core.types import Face, Photo
from faceshield.imaging.animate import encode_animation
from faceshield.imaging.animation import Animation, open_animation
from faceshield.imaging.blend import Region


def open_moving(data: bytes, path: Path, options: Options) -> Animation | None:
    """Open ``data`` as an animation; None for a still picture, and where only the first frame is asked for."""
    return open_animation(data, path) if options.frames == "all" else None


def crop_first_face(animation: Animation, finder: Finder) -> AlignedCrops:
    """The person's face in the first frame that shows it. Raises UnprotectedError where none does."""
    reason = ""
    for photo, _ in animation.frames():
        rgb = photo.rgb8()
        try:
            return AlignedCrops.of(rgb, finder.find(rgb, animation.path)[0][0])
        except UnprotectedError as error:
            reason = reason or str(error)
    raise _report_no_face(animation, reason)


def cloak_frames(
    animation: Animation,
    item: Item,
    names: OutputNames,
    perturbation: Perturbation,
    finder: Finder,
    options: Options,
) -> PhotoReport:
    """Cloak ``animation`` into ``names.out``; frames are decoded once to find faces, once to encode, once to check.

    Raises UnprotectedError where no frame shows the face, and for masks: each frame would get a different one, and the
    average over frames that are nearly alike would hold little of any. Raises PhotoError for a damaged file or a
    format without animation, StoreError where the folder cannot be written.
    """
    if STRATEGIES[options.against].makes_masks:
        raise UnprotectedError(
            f"{item.source}: is animated, and a mask for each frame could be averaged away over the frames;"
            " use --frames first, or --against training"
        )
    cast = _find_cast(animation, finder)
    digest = sha256(animation.data)
    encode = partial(
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
    encoded = encode(_cloak_each(animation, cast, perturbation, digest, regions, faces))
    cloaked = sum(bool(places) for places in regions)
    if not cloaked:
        raise UnprotectedError(f"{item.source}: the face is too small or too far outside to change a pixel of it")
    frames = _cloak_each(animation, cast, perturbation, digest, [], [])
    checked = check_frames(
        animation, frames, encoded, regions, perturbation.epsilon, lambda: encode(animation.frames())
    )
    report = write_output(item, names, perturbation, encoded, checked, digest)
    partly = f"the face was clear in {cloaked} of {animation.count} frames: the others are as they were"
    return replace(
        report,
        faces=tuple(faces),
        faces_seen=cast.most,
        frames=animation.count,
        frames_cloaked=cloaked,
        notices=(*report.notices, *([partly] if cloaked < animation.count else [])),
    )


@dataclass(frozen=True)
class _Cast:
    """The faces of all frames, and what the frames have in common.

    Attributes:
        faces: the person's faces in each frame.
        most: the largest number of faces, of anybody, in one frame.
        alpha: whether any frame is transparent somewhere.
        grey: whether all frames are grey.
    """

    faces: Sequence[Sequence[Face]]
    most: int
    alpha: bool
    grey: bool


def _find_cast(animation: Animation, finder: Finder) -> _Cast:
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
        raise _report_no_face(animation, reason)
    return _Cast(faces, most, alpha, grey)


def _cloak_each(
    animation: Animation,
    cast: _Cast,
    perturbation: Perturbation,
    digest: str,
    regions: list[list[Region]],
    faces: list[FaceReport],
) -> Iterator[tuple[Photo, float]]:
    """Yield each frame, cloaked, and its ms; ``regions`` and ``faces`` grow by those that have changed."""
    for number, ((photo, ms), shown) in enumerate(zip(animation.frames(), cast.faces, strict=True), 1):
        photo = replace(photo, grey=cast.grey)
        pixels = add_perturbation(photo, shown, perturbation, digest)
        places = pixels.regions
        if not has_changed(photo, pixels):
            shown, places = [], []
        regions.append(places)
        found = (measure(photo, pixels, face, place) for face, place in zip(shown, places, strict=True))
        faces += [replace(face, frame=number) for face in found]
        yield replace(photo, pixels=pixels[:]), ms


def _report_no_face(animation: Animation, reason: str) -> UnprotectedError:
    return UnprotectedError(f"{reason} (the first of {animation.count} frames, none of which shows a clear face)")
