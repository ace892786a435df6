"""Moving pictures in: GIF, APNG, animated WebP and AVIF, one whole frame at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.imaging import containers, formats, raster
from faceshield.imaging import metadata as exif_rules
from faceshield.imaging.opening import MAX_PIXELS, refuse_undecodable

MAX_FRAMES = 10_000
MAX_FRAME_PIXELS = 4096 * 2160  # cinema's 4K: a decoder keeps two pictures, and three decoders run at once in the check
# of all frames together, in pictures of the largest size; Pillow's AVIF writer holds all frames in memory
_PICTURES = {"AVIF": 1}
_PICTURES_ELSE = 4


@dataclass(frozen=True)
class Animation:
    """A moving picture whose frames are decoded one at a time, as ``core.types.Photo``.

    Attributes:
        data: the bytes of the file.
        path: where it came from.
        count: the number of frames, with an APNG's default image.
        plays: how often the frames are shown; 0 for ever.
        still: whether the first frame is an APNG's default image, for viewers without animation.
        format, exif, icc, orientation, details: as in ``Photo``.
    """

    data: bytes = field(repr=False)
    path: Path
    format: str
    count: int
    plays: int
    still: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    orientation: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)

    def frames(self) -> Iterator[tuple[Photo, float]]:
        """Yield each frame as it is seen, upright and with what stays of earlier frames, and its duration in ms.

        Raises PhotoError, also after some frames, where the file is damaged.
        """
        picture = None
        for number in range(self.count):
            with refuse_undecodable(self.path):
                picture = picture or formats.open_picture(self.data, self.format)
                picture.seek(number)
                planes = raster.from_picture(picture, self.data, self.orientation)
                lasts = float(picture.info.get("duration") or 0)
            # a palette of greys is colour to the decoder
            grey = planes.grey or (self.format == "GIF" and raster.is_grey(planes.pixels))
            photo = Photo(planes.pixels, self.path, self.format, grey, planes.alpha, orientation=self.orientation)
            yield photo, lasts


def open_animation(data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> Animation | None:
    """Open ``data`` as an animation; None for a still picture and for what is not a picture, which ``decode`` refuses.

    Raises PhotoError, in one line that names ``path``, for one that is damaged at its beginning, has more than
    ``max_pixels`` or :data:`MAX_FRAME_PIXELS` in a frame, too many in all frames or more than :data:`MAX_FRAMES`, or 16
    bits a colour. Nothing is decoded for that: a damaged file may state a canvas far larger than its frames.
    """
    format = formats.sniff(data)
    if format not in formats.MOVING:
        return None
    with refuse_undecodable(path):
        picture = formats.open_picture(data, format)
        if not getattr(picture, "is_animated", False):
            return None
        formats.refuse_unsafe(picture, data, max_pixels, moving=True)
        count: int = getattr(picture, "n_frames", 1)
        width, height = picture.size
        if width * height > MAX_FRAME_PIXELS:
            raise PhotoError(
                f"moves and has {width}×{height} pixels, more than the {MAX_FRAME_PIXELS / 1e6:.1f} million of a 4K"
                " frame; make it smaller, or use --frames first"
            )
        most = max_pixels * _PICTURES.get(format, _PICTURES_ELSE)
        if count > MAX_FRAMES or width * height * count > most:
            raise PhotoError(
                f"has {count} frames of {width}×{height} pixels, more than the {MAX_FRAMES} frames or"
                f" {most / 1e6:g} million pixels allowed; make it shorter or smaller, or use --frames first"
            )
        if format == "PNG" and data[24] == 16:
            raise PhotoError("is animated with 16 bits a colour; save it with 8, or use --frames first")
        info = picture.info
        exif = info.get("exif")
        details = formats.read_settings(picture, data)
        return Animation(
            data=data,
            path=path,
            format=format,
            count=count,
            plays=_plays(format, info.get("loop")),
            still=bool(info.get("default_image")),
            exif=exif,
            icc=info.get("icc_profile"),
            orientation=exif_rules.read_orientation(exif) or containers.read_xmp_orientation(data, format, info) or 1,
            details={**details, "beside": tuple(containers.list_extras(data, format, info))},
        )


def _plays(format: str, loop: int | None) -> int:
    """A GIF's ``loop`` counts repeats and is None for one play; others count plays. Pillow does not read AVIF's."""
    if format == "GIF":
        return 1 if loop is None else loop + (loop > 0)
    return loop or 0
