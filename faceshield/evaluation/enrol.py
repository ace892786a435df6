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

from faceshield.core.cache import sharded_path
from faceshield.core.errors import PhotoError
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.core.types import AlignedFace, Face
from faceshield.evaluation.embed import Forward, embed_pairs
from faceshield.faces.align import align_150
from faceshield.faces.detector import Detector
from faceshield.faces.pick import choose
from faceshield.imaging.photo import load

Which = Literal["centre", "largest"]
Align = Callable[[NDArray[np.uint8], Face], AlignedFace]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Enrolled:
    """raw (n, 2, D) outputs of each photo's crop and its mirror image · found (n,) bool: where there was a face.

    The rows of photos without a face are 0 and mean nothing; such a photo stays in its place, so that no pair and no
    fold shifts.
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
    """One face of ``rgb`` (H, W, 3), by default as the 150×150 chip, or None where there is no face.

    "centre" takes the face whose box is nearest the middle: LFW's photos are cut around the person they are named
    after. "largest" is what :func:`faceshield.faces.pick.choose` means by it.
    """
    faces = detector.detect(rgb)
    if not faces:
        return None
    if which == "largest":
        return align(rgb, choose(faces, "largest")[0])
    middle = np.array([rgb.shape[1] - 1, rgb.shape[0] - 1], np.float32) / 2

    def away(face: Face) -> float:
        return float(np.abs(face.box.reshape(2, 2).mean(0) - middle).sum())

    return align(rgb, min(faces, key=away))


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
            kept = _kept(cache, path, detector, recogniser, which) if cache is not None else None
            if kept is not None and kept.is_file():
                known = read_tensors(kept)[0]["raw"]
                found[place] = len(known) > 0
                raw[place, : len(known)] = known
                continue
            try:
                rgb = load(path).rgb8()
            except PhotoError as error:
                if faults is None:
                    raise
                faults[ids[place]] = str(error)
                continue
            waiting.append((place, kept, crop(rgb, detector, which, recogniser.align)))
        chips = [face.image for _, _, face in waiting if face is not None]
        made = iter(embed_pairs(torch.stack(chips).to(recogniser.device), recogniser.forward) if chips else ())
        for place, kept, face in waiting:
            if face is not None:
                found[place], raw[place] = True, next(made)
            if kept is not None:
                write_tensors(kept, {"raw": raw[place, : 2 * int(found[place])]}, {"id": ids[place]})
        if progress is not None:
            progress("embedding", places[-1] + 1, len(ids))
    return Enrolled(tuple(ids), raw, found)


def _kept(cache: Path, path: Path, detector: Detector, recogniser: Recogniser, which: Which) -> Path | None:
    """Where the output of ``path`` is kept; None where it cannot be read, which :func:`load` says better."""
    try:
        name = sha256(f"{sha256(path)} {type(detector).__name__} {recogniser.name} {which}".encode())
    except OSError:
        return None
    return sharded_path(cache, name)
