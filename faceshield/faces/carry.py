"""Faces between a photo and the copies, turns and windows in which they were seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceshield.core.types import Face
from faceshield.faces.detector import overlap
from faceshield.imaging.warp import Matrix


def build_enlargement(x: float, y: float) -> Matrix:
    """(2, 3): the map from a reduced copy to its original ``x`` and ``y`` times as large, both covering one area."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]], np.float32)


def build_turn(quarters: int, height: int, width: int) -> Matrix:
    """(2, 3): the map from a picture of ``height`` × ``width`` to what ``numpy.rot90`` makes of it."""
    right, bottom = width - 1, height - 1
    return np.array(
        [
            [[1, 0, 0], [0, 1, 0]],
            [[0, 1, 0], [-1, 0, right]],
            [[-1, 0, right], [0, -1, bottom]],
            [[0, -1, bottom], [1, 0, 0]],
        ][quarters % 4],
        np.float32,
    )


def compose(first: Matrix, second: Matrix) -> Matrix:
    """(2, 3): ``first`` and after it ``second``."""
    linear = second[:, :2] @ first
    linear[:, 2] += second[:, 2]
    return linear.astype(np.float32)


def carry(face: Face, matrix: Matrix) -> Face:
    """``face`` in the pixels that ``matrix`` (2, 3) leads to.

    The box of a turned face stays parallel to the picture: it is that of the ellipse within the turned one, which is
    what a face fills; for quarter turns both are the same.
    """
    box = face.box.reshape(2, 2)
    linear = matrix[:, :2]
    centre = box.mean(0) @ linear.T + matrix[:, 2]
    half = np.sqrt(linear**2 @ ((box[1] - box[0]) / 2) ** 2)
    return Face(
        np.concatenate((centre - half, centre + half)).astype(np.float32),
        (face.landmarks @ linear.T + matrix[:, 2]).astype(np.float32),
        face.score,
    )


def keep_distinct(faces: Sequence[Face], most: float = 0.5) -> list[Face]:
    """Largest first, and one of each: of faces that overlap by ``most`` of their union the surest stays."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < most for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size)
