"""Encode animations: frames with the times, number and repeats of the original, and nothing else of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.imaging import encoders, formats, muxers, raster
from faceshield.imaging import metadata as exif_rules
from faceshield.imaging.animation import Animation
from faceshield.imaging.orientation import turn_back
from faceshield.imaging.palette import index_colours
from faceshield.imaging.photo import LOSSY_QUALITY, Encoded, Format, choose_suffix, describe_loss

_ROUNDED = "a GIF frame holds 256 colours: where there were more, each became the nearest of them"
_REPEATS = "the AVIF repeats for ever: how often the original did cannot be read here"


def encode_animation(
    animation: Animation,
    frames: Iterable[tuple[Photo, float]],
    *,
    alpha: bool,
    grey: bool,
    format: Format = "same",
    quality: int | Literal["same"] = "same",
    metadata: exif_rules.Policy = "keep",
) -> Encoded:
    """``frames``, as many as ``animation`` has and each with its ms, as a file like the original.

    They are taken one by one. ``alpha``: any of them is see-through somewhere; ``grey``: all are grey, with equal
    planes. An APNG stays exact, as does a WebP that was; each GIF frame has a palette of its own, which is exact up to
    256 colours; a lossy WebP and AVIF are coded again. Raises PhotoError where the format holds no moving picture.
    """
    target = animation.format if format == "same" else format.upper()
    if target == "JPEG":
        raise PhotoError(
            f"{animation.path}: is animated, and a JPEG does not move; use another format or --frames first"
        )
    changes = [f"{animation.format} becomes {target}"] if target != animation.format else []
    icc = exif_rules.check_profile(animation.icc, grey)
    carried = exif_rules.carry(animation.exif, animation.orientation, metadata)
    writer = _Writer(animation, alpha, grey and target != "WEBP", quality, {"exif": carried.exif(), "icc_profile": icc})
    try:
        data = {"GIF": writer.gif, "PNG": writer.png, "WEBP": writer.webp, "AVIF": writer.avif}[target](frames)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(f"{animation.path}: cannot be written as {target} ({error}); use another format") from error
    suffix, renamed = choose_suffix(animation.path, animation.format, target)
    lost = ["colour profile (damaged or for other colours)"] if animation.icc and not icc else []
    stripped = list(dict.fromkeys([*animation.details.get("beside", ()), *carried.stripped, *lost]))
    return Encoded(data, target, suffix, stripped, carried.notices, [*changes, *writer.changes, *renamed])


class _Writer:
    """One method for each format; ``changes`` is complete when it has returned."""

    def __init__(
        self, animation: Animation, alpha: bool, grey: bool, quality: int | Literal["same"], common: dict[str, Any]
    ) -> None:
        self.animation, self.alpha, self.grey, self.common = animation, alpha, grey, common
        self.quality: int | None = None if quality == "same" else quality
        self.changes: list[str] = []

    def gif(self, frames: Iterable[tuple[Photo, float]]) -> bytes:
        first, every = _peek(self._arrays(frames))

        def all_indexed() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], int | None, float]]:
            for array, ms in every:
                planes = raster.split(array)
                found = index_colours(planes.pixels, planes.alpha)
                if not found.exact and _ROUNDED not in self.changes:
                    self.changes.append(_ROUNDED)
                yield found.indices, found.palette, found.clear, ms

        return muxers.gif(all_indexed(), first.shape[1::-1], self.animation.plays, self.alpha)

    def png(self, frames: Iterable[tuple[Photo, float]]) -> bytes:
        chunks = self.animation.details.get("colour_chunks", {})
        common = {**self.common, "dpi": self.animation.details.get("dpi")}
        files = ((encoders.png(array, chunks, **common), ms) for array, ms in self._arrays(frames))
        return muxers.apng(files, self.animation.count, self.animation.plays, self.animation.still)

    def webp(self, frames: Iterable[tuple[Photo, float]]) -> bytes:
        quality = self.quality
        if quality is None and not formats.is_lossless(self.animation):
            quality = self._lossy()
        elif quality is not None and formats.is_lossless(self.animation):
            self.changes.append(f"{self.animation.format} without loss becomes WEBP with loss")
        first, every = _peek(self._arrays(frames))
        files = ((encoders.webp(array, quality), ms) for array, ms in every)
        return muxers.animated_webp(files, first.shape[1::-1], self.animation.plays, alpha=self.alpha, **self.common)

    def avif(self, frames: Iterable[tuple[Photo, float]]) -> bytes:
        self.changes.append(_REPEATS)
        quality = self._lossy() if self.quality is None else self.quality
        return encoders.animated_avif(list(self._arrays(frames)), quality, **self.common)

    def _lossy(self) -> int:
        self.changes.append(describe_loss(self.animation.format))
        return LOSSY_QUALITY

    def _arrays(self, frames: Iterable[tuple[Photo, float]]) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """Each frame as it is stored, all of one kind."""
        for photo, ms in frames:
            alpha = photo.alpha
            if self.alpha and alpha is None:
                alpha = np.full(photo.pixels.shape[:2], 255, np.uint8)
            array = raster.join(photo.pixels, alpha if self.alpha else None, self.grey)
            yield turn_back(array, self.animation.orientation), ms


def _peek(
    arrays: Iterator[tuple[NDArray[np.uint8], float]],
) -> tuple[NDArray[np.uint8], Iterator[tuple[NDArray[np.uint8], float]]]:
    first = next(arrays)
    return first[0], itertools.chain([first], arrays)
