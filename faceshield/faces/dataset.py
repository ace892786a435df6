"""A whole face data set aligned: each photo's face found, carried to the template and kept as a small picture.

A photo without a face, or one that cannot be read, is listed with its reason: nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import PhotoError, UsageError
from faceshield.core.processes import Processes, Workers
from faceshield.core.store import read_json, write_bytes, write_json
from faceshield.core.types import Face, Progress
from faceshield.data.layouts import FaceIndex
from faceshield.faces.detector import Detector
from faceshield.imaging.crop import template
from faceshield.imaging.encoders import jpeg
from faceshield.imaging.photo import load
from faceshield.imaging.warp import Matrix, fit_similarity, from_rgb, shift, warp

REPORT = "align.json"
NO_FACE = "no face was found"
CRASH = "crashes the codec that reads it"
QUALITY = 95  # of the JPEG crops, at full colour resolution
_FEW = 8  # photos for which no process is started

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """A square crop: the template's ``size`` pixels and ``margin`` more on each side (112 and 8: the noise canvas)."""

    size: int = 112
    margin: int = 0

    def __post_init__(self) -> None:
        if not (self.size >= 16 and self.margin >= 0):
            raise UsageError(f"size {self.size}, margin {self.margin}: use a size from 16 pixels and a margin from 0")

    def matrix(self, landmarks: Points) -> Matrix:
        """(2, 3) float32, photo → crop, for five points as a :class:`Face` has them. PhotoError where they coincide."""
        return shift(fit_similarity(landmarks, template(self.size)), self.margin, self.margin)

    def crop(self, rgb: NDArray[np.uint8], landmarks: Points) -> NDArray[np.uint8]:
        """(S, S, 3) uint8, S = size + 2·margin; black where the photo ends."""
        side = self.size + 2 * self.margin
        image = warp(from_rgb(rgb), self.matrix(landmarks), (side, side))[0]
        return image.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()


@dataclass
class AlignReport:
    """How many of ``photos`` are aligned in ``out`` now, and id → reason for each that could not be."""

    out: Path
    photos: int
    aligned: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def align_dataset(
    index: FaceIndex,
    out: Path,
    detector: Callable[[], Detector],
    frame: Frame | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    cluster: Workers | None = None,
) -> AlignReport:
    """Write the crop of each photo of ``index`` to ``out``/PERSON/NAME.jpg and an account of it all to align.json.

    The face taken is the one nearest the data set's own landmarks, or nearest the photo's middle where it has none
    (such photos are cut around the person they are named after). Where no face is found, the data set's landmarks
    serve. Files appear whole or not at all, and those that are there are kept: an interrupted run goes on.
    ``detector()`` makes the detector in each of ``jobs`` processes, or in those of ``cluster``, whose machines all see
    the photos and ``out`` under the same paths. ``progress(stage, done, total)`` follows along.
    Raises UsageError where ``out`` holds crops of another frame or data set, and for an id that is no relative path.
    """
    frame = frame or Frame()
    if jobs < 1:
        raise UsageError(f"{jobs} jobs cannot do anything; use 1 or more")
    setting = {"kind": index.kind, "size": frame.size, "margin": frame.margin}
    _refuse_other(out, setting)
    targets = [out / _name_crop(id) for id in index.ids]
    _refuse_shared(targets, index.ids)
    report = AlignReport(out, len(index), sum(target.is_file() for target in targets))
    open_ = [number for number, target in enumerate(targets) if not target.is_file()]
    marks = index.landmarks
    tasks = [
        (index.paths[i], targets[i], None if marks is None or np.isnan(marks[i]).any() else marks[i]) for i in open_
    ]
    write_json(out / REPORT, _summarise(report, setting, index, len(open_)))
    done = 0
    try:
        with closing(_run_tasks(tasks, partial(_Worker, detector, frame), jobs, cluster)) as results:
            for done, reason in enumerate(results, 1):
                if reason is None:
                    report.aligned += 1
                else:
                    report.failed[index.ids[open_[done - 1]]] = reason
                if progress is not None:
                    progress("aligning", report.aligned + len(report.failed), len(index))
    finally:
        report.aligned = sum(target.is_file() for target in targets)  # other processes may have finished more
        left = len(index) - report.aligned - len(report.failed)
        write_json(out / REPORT, _summarise(report, setting, index, left))
    return report


Task = tuple[Path, Path, Points | None]


class _Worker:
    """Aligns one photo after the other; made once in each process."""

    def __init__(self, detector: Callable[[], Detector], frame: Frame) -> None:
        self.detector, self.frame = detector(), frame

    def __call__(self, task: Task) -> str | None:
        """Write the crop; the reason where there is none."""
        path, target, known = task
        try:
            rgb = load(path).rgb8()
            faces = self.detector.detect(rgb)
            landmarks = _choose_nearest(faces, rgb, known).landmarks if faces else known
            if landmarks is None:
                return NO_FACE
            pixels = self.frame.crop(rgb, landmarks)
        except PhotoError as error:
            return str(error).removeprefix(f"{path}: ")
        write_bytes(target, jpeg(pixels, QUALITY, {}))
        return None


def _run_tasks(
    tasks: list[Task], worker: Callable[[], _Worker], jobs: int, cluster: Workers | None
) -> Generator[str | None, None, None]:
    """What a worker says of each task, in their order."""
    if cluster is None and (jobs == 1 or len(tasks) <= _FEW):
        yield from map(worker(), tasks)
    else:
        yield from (cluster or Processes(jobs)).map(worker, tasks, lambda task: CRASH)


def _choose_nearest(faces: list[Face], rgb: NDArray[np.uint8], known: Points | None) -> Face:
    height, width = rgb.shape[:2]
    place = np.array([width - 1, height - 1], np.float32) / 2 if known is None else known.mean(0)
    return min(faces, key=lambda face: float(np.linalg.norm(face.box.reshape(2, 2).mean(0) - place)))


def _name_crop(id: str) -> str:
    """The crop's file for a photo's id; names from a data set's own list might lead out of the folder."""
    parts = id.split("/")
    if any(not part or part.startswith(".") for part in parts) or len(parts) != 2:
        raise UsageError(f"id {id!r} is no PERSON/FILE; rename it in the data set")
    return id if id.lower().endswith((".jpg", ".jpeg")) else f"{id}.jpg"


def _refuse_shared(targets: Sequence[Path], ids: Sequence[str]) -> None:
    seen: dict[Path, str] = {}
    for target, id in zip(targets, ids, strict=True):
        if seen.setdefault(target, id) != id:
            raise UsageError(
                f"photos {seen[target]!r} and {id!r} would both become {target.name!r}; rename one of them"
            )


def _refuse_other(out: Path, setting: dict[str, Any]) -> None:
    if not (out / REPORT).is_file():
        if out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out}: holds other files; choose an empty folder")
        return
    known = read_json(out / REPORT)
    there = {name: known.get(name) for name in setting} if isinstance(known, dict) else known
    if there != setting:
        raise UsageError(f"{out}: holds crops made with {there}, not {setting}; choose another folder")


def _summarise(report: AlignReport, setting: dict[str, Any], index: FaceIndex, left: int) -> dict[str, Any]:
    return {
        **setting,
        "photos": report.photos,
        "people": len(set(index.people)),
        "aligned": report.aligned,
        "not_yet": left,
        "failed": report.failed,
        "notes": list(index.notes),
    }
