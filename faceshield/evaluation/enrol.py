"""Photos to a recogniser's raw outputs: find the face, align it, embed it; finished work is read from a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.cache import shard_path
from faceshield.core.errors import PhotoError
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.core.types import AlignedFace, Face, Progress
from faceshield.evaluation.embed import embed_pairs
from faceshield.faces.align import align_150
from faceshield.faces.detector import Detector
from faceshield.faces.pick import choose
from faceshield.imaging.photo import load
from faceshield.noise.base import Forward

Which = Literal["centre", "largest"]
Align = Callable[[NDArray[np.uint8], Face], AlignedFace]


@dataclass(frozen=True)
class Enrolled:
    """A recogniser's outputs for photos, in their order; a photo without a face keeps its row.

    Attributes:
        ids: (n,) of the photos.
        raw: (n, 2, D) outputs of each photo's crop and its mirror image; 0 where there is no face.
        found: (n,) bool, whether there is a face.
    """

    ids: tuple[str, ...]
    raw: Tensor
    found: NDArray[np.bool_]


@dataclass(frozen=True)
class Recogniser:
    """What embeds a face: ``forward`` maps (N, 3, S, S) RGB in [0, 1], cut out by ``align``, to (N, size).

    ``name`` tells it apart from every other in the cache (the weights' checksum, not a label).
    """

    forward: Forward
    device: torch.device
    name: str
    size: int = 128
    align: Align = align_150


def crop(
    rgb: NDArray[np.uint8], detector: Detector, which: Which = "largest", align: Align = align_150
) -> AlignedFace | None:
    """One face of ``rgb`` (H, W, 3), by default as the 150×150 aligned crop, or None where there is no face.

    "centre" takes the face whose box is nearest the middle: LFW's photos are cut around the person they are named
    after. "largest" is what :func:`faceshield.faces.pick.choose` means by it.
    """
    faces = detector.detect(rgb)
    if not faces:
        return None
    if which == "largest":
        return align(rgb, choose(faces, "largest")[0])
    middle = np.array([rgb.shape[1] - 1, rgb.shape[0] - 1], np.float32) / 2

    def distance(face: Face) -> float:
        return float(np.abs(face.box.reshape(2, 2).mean(0) - middle).sum())

    return align(rgb, min(faces, key=distance))


def enrol(
    root: Path,
    ids: Sequence[str],
    detector: Detector,
    recogniser: Recogniser,
    *,
    which: Which = "centre",
    cache: Path | None = None,
    batch: int = 16,
    progress: Progress | None = None,
    faults: dict[str, str] | None = None,
) -> Enrolled:
    """The recogniser's outputs for the photos ``root/id``, in the order of ``ids``.

    With ``cache`` each photo's output is kept in that folder under the hash of the photo's bytes, the detector's kind,
    the recogniser and ``which``: an interrupted run goes on, a changed photo is embedded again. ``progress(stage, done,
    total)`` is called after each batch. A file that is absent or no picture raises PhotoError; with ``faults`` its id
    and what is wrong are put there, and it counts as one without a face.
    """
    raw = torch.zeros(len(ids), 2, recogniser.size)
    found = np.zeros(len(ids), np.bool_)
    for start in range(0, len(ids), batch):
        places = range(start, min(start + batch, len(ids)))
        waiting: list[tuple[int, Path | None, AlignedFace | None]] = []
        for place in places:
            path = root / ids[place]
            cached = _find_cached(cache, path, detector, recogniser, which) if cache is not None else None
            if cached is not None and cached.is_file():
                stored = read_tensors(cached)[0]["raw"]
                found[place] = len(stored) > 0
                raw[place, : len(stored)] = stored
                continue
            try:
                rgb = load(path).rgb8()
            except PhotoError as error:
                if faults is None:
                    raise
                faults[ids[place]] = str(error)
                continue
            waiting.append((place, cached, crop(rgb, detector, which, recogniser.align)))
        crops = [face.image for _, _, face in waiting if face is not None]
        made = iter(embed_pairs(torch.stack(crops).to(recogniser.device), recogniser.forward) if crops else ())
        for place, cached, face in waiting:
            if face is not None:
                found[place], raw[place] = True, next(made)
            if cached is not None:
                write_tensors(cached, {"raw": raw[place, : 2 * int(found[place])]}, {"id": ids[place]})
        if progress is not None:
            progress("embedding", places[-1] + 1, len(ids))
    return Enrolled(tuple(ids), raw, found)


def _find_cached(cache: Path, path: Path, detector: Detector, recogniser: Recogniser, which: Which) -> Path | None:
    """The cache file of ``path``; None where it cannot be read (:func:`load` then says why)."""
    try:
        name = sha256(f"{sha256(path)} {type(detector).__name__} {recogniser.name} {which}".encode())
    except OSError:
        return None
    return shard_path(cache, name)
