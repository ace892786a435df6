"""A face carried to where it is looked at: photo → crop of a recogniser, or noise canvas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceshield.core.types import AlignedFace, Face
from faceshield.imaging.crop import DLIB_150, TEMPLATE_112, CropSpec
from faceshield.imaging.warp import Matrix, fit_box, fit_similarity, from_rgb, invert, shift, warp

USUAL_BOX_112: Matrix = np.array([17.0, 11.5, 95.0, 117.0], np.float32)
"""Where MTCNN's box lies, on average, around TEMPLATE_112."""

BOX_160 = 160
"""Side of the crop of :func:`align_box`."""

CANVAS = 128
"""Side of the noise canvas: the 112×112 crop with 8 pixels around it."""


def fit_canvas(face: Face, size: int = CANVAS) -> Matrix:
    """(2, 3) float32, photo → canvas of ``size``² pixels with the 112×112 template crop in its middle.

    Raises PhotoError where the landmarks coincide.
    """
    margin = (size - 112) / 2
    return shift(fit_similarity(face.landmarks, TEMPLATE_112), margin, margin)


def align(rgb: NDArray[np.uint8], face: Face, size: int = CANVAS) -> AlignedFace:
    """``face`` of ``rgb`` (H, W, 3) on the canvas of :func:`fit_canvas`; black where the photo ends."""
    return _carry(rgb, face, fit_canvas(face, size), size)


def cut(rgb: NDArray[np.uint8], face: Face, crop: CropSpec) -> AlignedFace:
    """``face`` of ``rgb`` (H, W, 3) as ``crop`` has it; black where the photo ends.

    A box counts as far as the photo reaches and from whole pixel to whole pixel. Raises PhotoError as its way does.
    """
    return _carry(rgb, face, crop.find_matrix(face.landmarks, round_box(face, rgb.shape[1], rgb.shape[0])), crop.size)


def align_150(rgb: NDArray[np.uint8], face: Face) -> AlignedFace:
    """``face`` of ``rgb`` (H, W, 3) as the 150×150 aligned crop that ResNet-29 expects; black where the photo ends."""
    return cut(rgb, face, CropSpec(DLIB_150, 150))


def align_box(rgb: NDArray[np.uint8], face: Face) -> AlignedFace:
    """The box of ``face``, as far as ``rgb`` (H, W, 3) reaches and from whole pixel to whole pixel, as 160×160.

    It is what facenet-pytorch's MTCNN cuts out for InceptionResnetV1 by default: neither turned nor true to the face's
    proportions.
    """
    return cut(rgb, face, CropSpec(None, BOX_160))


def round_box(face: Face, width: int, height: int) -> Matrix:
    """(2, 2): the corners x, y of the box of ``face`` within a photo, at edges of pixels."""
    return face.box.reshape(2, 2).clip(0, (width, height)).astype(int).astype(np.float32)


def make_face(box: ArrayLike) -> Face:
    """An upright face whose template fills ``box`` (x0, y0, x1, y1 in photo pixels), for a box drawn by hand.

    Its landmarks are the template's, so it aligns like any other; its score is 1 because the user vouches for
    it. Raises PhotoError for a box without area.
    """
    to_photo = invert(fit_box(box, USUAL_BOX_112))
    landmarks = TEMPLATE_112 @ to_photo[:, :2].T + to_photo[:, 2]
    return Face(np.asarray(box, np.float32), landmarks.astype(np.float32), 1.0)


def _carry(rgb: NDArray[np.uint8], face: Face, matrix: Matrix, size: int) -> AlignedFace:
    return AlignedFace(warp(from_rgb(rgb), matrix, (size, size))[0], matrix, face)
