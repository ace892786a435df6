"""The templates a face is carried to, and the carrying: photo → crop or noise canvas.

Templates are five points (x, y) in crop pixels, pixel centres at whole numbers: left eye, right eye (as seen
in the picture), nose tip, left and right mouth corner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceshield.core.types import AlignedFace, Face
from faceshield.imaging.warp import (
    Matrix,
    fit_similarity,
    from_rgb,
    invert,
    shifted,
    similarity_from_box,
    stretch,
    warp,
)

TEMPLATE_112: Matrix = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32
)
"""The field's template of a 112×112 crop."""

DLIB_150: Matrix = np.array(
    [[48.84, 46.52], [102.24, 46.46], [75.53, 78.02], [51.76, 105.23], [98.76, 105.24]], np.float32
)
"""MTCNN's points in dlib's 150×150 face chip, the input of ResNet-29."""

USUAL_BOX_112: Matrix = np.array([17.0, 11.5, 95.0, 117.0], np.float32)
"""Where MTCNN's box lies, on average, around TEMPLATE_112."""

BOX_160 = 160
"""Side of the crop of :func:`align_box`."""

CANVAS = 128
"""Side of the noise canvas: the 112×112 crop with 8 pixels around it."""


def template(side: float, margin: float = 0) -> Matrix:
    """(5, 2) the template's points in a square picture of ``side`` pixels: the 112×112 crop and ``margin`` around it.

    ``margin`` is in the crop's own pixels, on each side.
    """
    points: Matrix = (TEMPLATE_112 + margin + 0.5) * (side / (112 + 2 * margin)) - 0.5  # centres lie at whole numbers
    return points


def canvas_matrix(face: Face, size: int = CANVAS) -> Matrix:
    """(2, 3) float32, photo → canvas of ``size``² pixels with the 112×112 template crop in its middle.

    Raises PhotoError where the landmarks coincide.
    """
    margin = (size - 112) / 2
    return shifted(fit_similarity(face.landmarks, TEMPLATE_112), margin, margin)


def align(rgb: NDArray[np.uint8], face: Face, size: int = CANVAS) -> AlignedFace:
    """``face`` of ``rgb`` (H, W, 3) on the canvas of :func:`canvas_matrix`; black where the photo ends."""
    return _carry(rgb, face, canvas_matrix(face, size), size)


def align_150(rgb: NDArray[np.uint8], face: Face) -> AlignedFace:
    """``face`` of ``rgb`` (H, W, 3) as the 150×150 chip that ResNet-29 expects; black where the photo ends."""
    return _carry(rgb, face, fit_similarity(face.landmarks, DLIB_150), 150)


def align_box(rgb: NDArray[np.uint8], face: Face) -> AlignedFace:
    """The box of ``face``, as far as ``rgb`` (H, W, 3) reaches and from whole pixel to whole pixel, as 160×160.

    It is what facenet-pytorch's MTCNN cuts out for InceptionResnetV1 by default: neither turned nor true to the face's
    proportions.
    """
    return _carry(rgb, face, stretch(whole_box(face, rgb.shape[1], rgb.shape[0]), BOX_160), BOX_160)


def whole_box(face: Face, width: int, height: int) -> Matrix:
    """(2, 2): the corners x, y of the box of ``face`` within a photo, at edges of pixels."""
    return face.box.reshape(2, 2).clip(0, (width, height)).astype(int).astype(np.float32)


def face_from_box(box: ArrayLike) -> Face:
    """An upright face whose template fills ``box`` (x0, y0, x1, y1 in photo pixels), for a box drawn by hand.

    Its landmarks are the template's, so it aligns like any other; its score is 1 because the user vouches for
    it. Raises PhotoError for a box without area.
    """
    to_photo = invert(similarity_from_box(box, USUAL_BOX_112))
    landmarks = TEMPLATE_112 @ to_photo[:, :2].T + to_photo[:, 2]
    return Face(np.asarray(box, np.float32), landmarks.astype(np.float32), 1.0)


def _carry(rgb: NDArray[np.uint8], face: Face, matrix: Matrix, size: int) -> AlignedFace:
    return AlignedFace(warp(from_rgb(rgb), matrix, (size, size))[0], matrix, face)
