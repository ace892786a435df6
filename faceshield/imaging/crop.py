"""The crops that recognisers take in: where a face's five points, or its box, come to lie in them.

Templates are five points (x, y) in crop pixels, pixel centres at whole numbers: left eye, right eye (as seen in the
picture), nose tip, left and right mouth corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceshield.imaging.warp import Matrix, fit_similarity, stretch

TEMPLATE_112: Matrix = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32
)
"""The field's template of a 112×112 crop."""

DLIB_150: Matrix = np.array(
    [[48.84, 46.52], [102.24, 46.46], [75.53, 78.02], [51.76, 105.23], [98.76, 105.24]], np.float32
)
"""MTCNN's points in dlib's 150×150 aligned crop, the input of ResNet-29."""


def template(side: float, margin: float = 0) -> Matrix:
    """(5, 2) the template's points in a square picture of ``side`` pixels: the 112×112 crop and ``margin`` around it.

    ``margin`` is in the crop's own pixels, on each side.
    """
    points: Matrix = (TEMPLATE_112 + margin + 0.5) * (side / (112 + 2 * margin)) - 0.5  # centres lie at whole numbers
    return points


@dataclass(frozen=True)
class CropSpec:
    """The crop that a recogniser takes in, ``size``² pixels: a face's landmarks are carried to ``template`` (5, 2), or,
    where that is None, its box is stretched over it.
    """

    template: Matrix | None
    size: int

    def find_matrix(self, landmarks: Matrix, box: Matrix) -> Matrix:
        """(2, 3), photo → crop, for a face's ``landmarks`` (5, 2) in pixels and its ``box`` (2, 2) in pixel edges.

        Raises PhotoError where the landmarks coincide or the box has no area, whichever of them counts.
        """
        return stretch(box, self.size) if self.template is None else fit_similarity(landmarks, self.template)
