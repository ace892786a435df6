"""The tool's detector: YuNet proposes faces at every roll, and MTCNN confirms each in an upright window.

YuNet takes a tenth of MTCNN's time on a photo of 12 megapixels. The score and the five points are MTCNN's, measured in
an upright window of the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.types import Face
from faceshield.faces.carry import carry, compose, keep_distinct
from faceshield.faces.detector import CONFIDENT, select_clear
from faceshield.faces.mtcnn import WINDOW, MtcnnDetector, fit_window
from faceshield.faces.yunet import LEANING, Copy, Upright, YunetDetector, build_rotation, measure_roll
from faceshield.imaging.warp import Matrix, invert

_POSSIBLE = 0.3  # YuNet's score at the first look
_UPRIGHT = 0.6  # YuNet's score once turned upright, for what is worth MTCNN's look
_DOUBTFUL = 0.8  # the same, for what is told of though MTCNN sees nothing in it
_UNCONFIRMED = CONFIDENT - 0.05  # the most that such a face scores


class AnyRollDetector:
    """Finds faces of ``min_face`` photo pixels and more (longer side of the box), upright or turned.

    A photo on its side, on its head or mirrored gives the faces that it gives upright. Photos up to 640 px are searched
    down to 10 px; beyond 16 megapixels the smallest face grows with the root of the area. Deterministic; the networks
    are loaded at the first use.
    """

    def __init__(self, device: str | torch.device = "cpu", min_face: float = 40) -> None:
        self.scout = YunetDetector(device, min_face)
        self.judge = MtcnnDetector(device, min_face)

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """All faces of ``rgb`` (H, W, 3), largest first; an empty list means there is none."""
        copies = self.scout.make_copies(rgb)
        faces = self._judge(rgb, copies, self.scout.search(copies, (0,), _POSSIBLE))
        if not select_clear(faces):
            faces = self._judge(rgb, copies, self.scout.search(copies, (0, 1, 2, 3), _POSSIBLE))
        return faces

    def look(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> Face | None:
        """The face that best fills ``box`` (4,) xyxy in photo pixels, whatever its size, or None.

        Raises PhotoError for a box without area.
        """
        (seen,) = self.scout.turn_upright(self.scout.make_copies(rgb), [box])
        matrices = [fit_window(box)]
        if seen is not None and seen.face.score >= _UPRIGHT:
            matrices.append(_fit_window(seen))
        found = [face for face in self.judge.confirm(rgb, matrices, least=0.1) if face is not None]
        return max(found, key=lambda face: face.score, default=None)

    def _judge(self, rgb: NDArray[np.uint8], copies: Sequence[Copy], places: Sequence[Face]) -> list[Face]:
        """The faces at ``places`` that MTCNN confirms, and those that YuNet is sure of."""
        upright = self.scout.turn_upright(copies, [place.box for place in places])
        worth = [one for one in upright if one is not None and one.face.score >= _UPRIGHT]
        windows = [_fit_window(one) for one in worth]
        found = self.judge.confirm(rgb, windows, least=0.4)
        for number, face in enumerate(found):
            if face is not None and abs(lean := _measure_roll(windows[number], face)) > LEANING:
                nearer = compose(windows[number], build_rotation(lean, WINDOW))
                found[number] = self.judge.confirm(rgb, [nearer], least=0.4)[0] or face
        faces = [
            face or replace(carry(one.face, invert(one.matrix)), score=min(one.face.score, _UNCONFIRMED))
            for face, one in zip(found, worth, strict=True)
            if face is not None or one.face.score >= _DOUBTFUL
        ]
        return keep_distinct(faces)


def _fit_window(one: Upright) -> Matrix:
    return compose(one.matrix, fit_window(one.face.box))


def _measure_roll(matrix: Matrix, face: Face) -> float:
    return measure_roll(carry(face, matrix))
