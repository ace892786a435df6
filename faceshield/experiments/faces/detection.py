"""What each detector finds of a face that is turned, small, cut off, blurred, or seen from the side."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import PhotoError
from faceshield.core.types import Face
from faceshield.data.layouts import read_layout
from faceshield.data.synthetic import synthesize_people
from faceshield.experiments.engine.context import MADE_HERE, Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source, describe_sources
from faceshield.faces.align import make_face
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.carry import carry, compose
from faceshield.faces.detector import Detector, select_clear
from faceshield.faces.mtcnn import MtcnnDetector
from faceshield.faces.yunet import YunetDetector
from faceshield.imaging.photo import load
from faceshield.imaging.warp import Matrix

NEAR = 0.25  # eye distances that a found face's points may miss by, on average
PROFILE = 0.25  # the part of the photos whose nose is furthest from the middle of the eyes


class DetectionSettings(Settings):
    """``lfw`` holds ``images/PERSON/PHOTO.jpg``; the first ``photos`` of them are used (drawn faces for fabricated)."""

    lfw: Source
    photos: int


class Reference(NamedTuple):
    """A photo (H, W, 3) and its face's five points and box, by MTCNN on the photo as it is."""

    rgb: NDArray[np.uint8]
    face: Face

    @property
    def eyes(self) -> float:
        """The distance of the eyes in pixels."""
        return float(np.linalg.norm(self.face.landmarks[1] - self.face.landmarks[0]))

    @property
    def side(self) -> float:
        """How far the nose is from the middle between the eyes, in eye distances, along the line of the eyes."""
        left, right, nose = self.face.landmarks[:3]
        return float(abs((nose - (left + right) / 2) @ (right - left)) / self.eyes**2)


class DetectionKey(CellKey):
    """``roll`` in degrees, counter-clockwise; ``size``: the face's pixels; ``profile``: only the quarter of the photos
    that is seen most from the side; ``occlusion``: the part of the face's box that is grey from below; ``blur``: σ in
    eye distances.
    """

    detector: Literal["mtcnn", "yunet", "both"]
    roll: int
    size: int | None = None
    profile: bool = False
    occlusion: float | None = None
    blur: float | None = None


def detection(key: DetectionKey, seed: int, settings: DetectionSettings, context: Context) -> dict[str, Any]:
    """One cell.

    The reference are MTCNN's points on the photos as they are, of the clear face nearest the middle; photos without one
    are left out. recall is the part of the others of which a clear face (YuNet: one that scores 0.6) has its points
    within NEAR eye distances of the reference on average; landmark_error is that average over the faces found; extra is
    the clear faces a photo beside it; seconds are those of one thread of this machine, the median photo's.
    """
    photos = _find_references(settings, context)
    if key.profile:
        photos = sorted(photos, key=lambda reference: reference.side)[-round(PROFILE * len(photos)) :]
    detector = _DETECTORS[key.detector]()
    errors: list[float] = []
    seconds: list[float] = []
    extra = 0
    for reference in photos:
        rgb, truth = _change(reference, key)
        begun = time.perf_counter()
        found = detector.detect(rgb)
        seconds.append(time.perf_counter() - begun)
        sure = found if isinstance(detector, YunetDetector) else select_clear(found)
        eyes = float(np.linalg.norm(truth[1] - truth[0]))
        misses = [float(np.linalg.norm(face.landmarks - truth, axis=1).mean()) / eyes for face in sure]
        nearest = min(misses, default=np.inf)
        extra += len(sure) - bool(nearest <= NEAR)
        if nearest <= NEAR:
            errors.append(nearest)
    return {
        "photos": len(photos),
        "recall": len(errors) / len(photos),
        "landmark_error": float(np.mean(errors)) if errors else None,
        "extra": extra / len(photos),
        "seconds": float(np.median(seconds)),
    }


_DETECTORS: dict[str, Callable[[], Detector]] = {
    "mtcnn": MtcnnDetector,
    "yunet": YunetDetector,
    "both": AnyRollDetector,
}


_references: dict[tuple[str, int], list[Reference]] = {}


def _find_references(settings: DetectionSettings, context: Context) -> list[Reference]:
    """The photos with their reference, found once a process."""
    count = settings.photos
    if settings.lfw in MADE_HERE:  # no detector finds a face in them
        drawn = synthesize_people(1, count, seed=0).images.permute(0, 2, 3, 1).numpy()
        return [Reference(np.ascontiguousarray(rgb), make_face((32, 24, 96, 112))) for rgb in drawn]
    source = context.source(settings.lfw)
    if (str(source), count) not in _references:
        detector, references = MtcnnDetector(), []
        for path in read_layout(source / "images").paths[:count]:
            rgb = load(path).rgb8()
            middle = np.array([rgb.shape[1] - 1, rgb.shape[0] - 1]) / 2
            faces = select_clear(detector.detect(rgb))
            if faces:
                references.append(
                    Reference(
                        rgb, min(faces, key=lambda face: float(abs(face.box.reshape(2, 2).mean(0) - middle).sum()))
                    )
                )
        if not references:
            raise PhotoError(f"{source}: none of the first {count} photos shows a clear face; give LFW's images")
        _references[str(source), count] = references
    return _references[str(source), count]


def _change(reference: Reference, key: DetectionKey) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The photo as ``key`` wants it, its border repeated where it ends, and where the five points are in it."""
    rgb = reference.rgb
    if key.occlusion is not None:
        rgb = rgb.copy()
        x0, y0, x1, y1 = reference.face.box.clip(0).astype(int)
        rgb[round(y1 - key.occlusion * (y1 - y0)) : y1, x0:x1] = 128
    if key.blur is not None:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), key.blur * reference.eyes), np.uint8)
    scale = key.size / reference.face.size if key.size else 1.0
    if scale != 1:
        small = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = np.asarray(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), np.uint8)
    shrunk = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]], np.float32)
    matrix, side = _roll_matrix(key.roll, rgb.shape[1], rgb.shape[0])
    turned: Any = cv2.warpAffine(rgb, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), carry(reference.face, compose(shrunk, matrix)).landmarks


def _roll_matrix(degrees: float, width: int, height: int) -> tuple[Matrix, tuple[int, int]]:
    """The map (2, 3) that turns a picture counter-clockwise and the size (width, height) that holds all of it."""
    matrix: Any = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    c, s = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(width * c + height * s), round(width * s + height * c)
    matrix[:, 2] += (np.array(size) - (width, height)) / 2
    return matrix.astype(np.float32), size


EXPERIMENT = Experiment(detection, DetectionSettings, DetectionKey, describe_sources)
