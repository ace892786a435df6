"""What a face detector must offer, and when its answer is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceshield.core.types import Face

CONFIDENT = 0.95
"""Scores below this are doubtful: ask the user before relying on the face."""


class Detector(Protocol):
    """Finds faces in upright photos. Boxes and landmarks are in photo pixels, pixel centres at whole numbers."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """All faces of ``rgb`` (H, W, 3), largest first; an empty list means there is none."""
        ...

    def look(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> Face | None:
        """The face that best fills ``box`` (4,) xyxy when looked at closely, or None."""
        ...


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes (4,) xyxy."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    total = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / total if total > 0 else 0.0


def select_clear(faces: Sequence[Face]) -> list[Face]:
    """The faces that are not doubtful."""
    return [face for face in faces if face.score >= CONFIDENT]
