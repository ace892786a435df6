"""MTCNN (Zhang et al. 2016) as packed by facenet-pytorch: a coarse look at the photo, a close one at each face.

MTCNN's cost is the number of pixels it looks at, so the photo is first reduced until the smallest face asked
for is 20 pixels long. Every face found is then looked at again on the original at one fixed size, so that its
landmarks do not depend on how large the photo was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.types import Face
from faceshield.faces.carry import build_enlargement, carry, keep_distinct
from faceshield.faces.detector import overlap
from faceshield.imaging.warp import Matrix, fit_box, from_rgb, invert, warp

_SMALLEST = 20  # px, the smallest face the networks are asked for in the coarse look
_SMALL_PHOTO = 1000  # px, longer side up to which a photo is looked at as it is
_LARGE_PHOTO = 16e6  # pixels; beyond, a photo is reduced as if it had these many
WINDOW = 320  # px, side of the close look
_IN_WINDOW = (80, 80, 240, 240)  # xyxy px, where a box comes to lie in it: 160 px with room on every side
_EXPECTED = np.array(_IN_WINDOW, np.float32)
_SMALLEST_IN_WINDOW = 40
_BIAS = 1.0  # px right and down, by which facenet-pytorch's points miss at every size: flip or resize, and it shows
_CHUNK = 16  # close looks at a time: bounds the memory that a crowd takes


class MtcnnDetector:
    """Finds faces of ``min_face`` photo pixels and more (longer side of the box).

    Photos up to 1,000 px are searched down to 20 px; beyond 16 megapixels the smallest face grows with the
    root of the area (57 px at 32 megapixels). Upright faces only: turn the photo first. Deterministic. The
    networks come with facenet-pytorch and are loaded at the first use.
    """

    def __init__(self, device: str | torch.device = "cpu", min_face: float = 40) -> None:
        self.device = torch.device(device)
        self.min_face = min_face
        self._network: Any = None
        # Photos come from several threads, but the network keeps its smallest face as a setting, and each thread that
        # ran it would keep a heap of its own: 300 MB for a 12-MP photo.
        self._thread = ThreadPoolExecutor(1)

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """All faces of ``rgb`` (H, W, 3), largest first; an empty list means there is none."""
        height, width = rgb.shape[:2]
        reduction = self._choose_reduction(height, width)
        small = round(width * reduction), round(height * reduction)
        if min(small) < _SMALLEST:
            return []
        copy: Any = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA) if reduction < 1 else rgb
        to_photo = build_enlargement(width / small[0], height / small[1])
        coarse = [carry(face, to_photo) for face in self._run(copy[None], _SMALLEST)[0]]
        close = self.confirm(rgb, [fit_window(face.box) for face in coarse], least=0.4)
        return keep_distinct([near or far for near, far in zip(close, coarse, strict=True)])

    def look(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> Face | None:
        """The face that best fills ``box`` (4,) xyxy in photo pixels, whatever its size, or None.

        Raises PhotoError for a box without area.
        """
        return self.confirm(rgb, [fit_window(box)], least=0.1)[0]

    def _choose_reduction(self, height: int, width: int) -> float:
        coarsest = _SMALLEST / self.min_face
        affordable = coarsest * math.sqrt(_LARGE_PHOTO / max(1, height * width))
        return min(1.0, affordable, max(coarsest, _SMALL_PHOTO / max(1, height, width)))

    def confirm(self, rgb: NDArray[np.uint8], windows: Sequence[Matrix], least: float) -> list[Face | None]:
        """Look closely through each of ``windows`` (photo → window, see :func:`fit_window`), turned as they may be.

        For each the face, in photo pixels, that overlaps the place where one is expected most, if by ``least`` of
        their union.
        """
        photo = from_rgb(rgb)
        best: list[Face | None] = []
        for start in range(0, len(windows), _CHUNK):
            chunk = windows[start : start + _CHUNK]
            cut = torch.cat([warp(photo, matrix, (WINDOW, WINDOW)) for matrix in chunk])
            pixels = cut.mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
            for matrix, found in zip(chunk, self._run(pixels, _SMALLEST_IN_WINDOW), strict=True):
                face = max(found, key=lambda face: overlap(face.box, _EXPECTED), default=None)
                sure = face is not None and overlap(face.box, _EXPECTED) >= least
                best.append(carry(face, invert(matrix)) if face is not None and sure else None)
        return best

    def _run(self, images: NDArray[np.uint8], smallest: float) -> list[list[Face]]:
        """The faces of each of ``images`` (N, H, W, 3), in their own pixels."""
        boxes, scores, landmarks = self._thread.submit(self._find_boxes, images, smallest).result()
        return [
            [] if b is None else [Face(*face) for face in zip(_f32(b), _f32(p) - _BIAS, map(float, s), strict=True)]
            for b, s, p in zip(boxes, scores, landmarks, strict=True)
        ]

    def _find_boxes(self, images: NDArray[np.uint8], smallest: float) -> Any:
        if self._network is None:
            self._network = _load(self.device)
        self._network.min_face_size = smallest
        return self._network.detect(images, landmarks=True)


def _load(device: torch.device) -> Any:
    from facenet_pytorch import MTCNN  # torchvision and its networks: seconds that only detection should pay

    return MTCNN(keep_all=True, device=device).to(memory_format=torch.channels_last)


def _f32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def fit_window(box: NDArray[np.float32]) -> Matrix:
    """(2, 3): the upright map that lays ``box`` (4,) xyxy where a close look expects a face.

    Raises PhotoError for a box without area.
    """
    return fit_box(box, _IN_WINDOW)
