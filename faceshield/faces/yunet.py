"""YuNet (Wu, Peng and Yu 2023) over a photo: a search in reduced copies, and the roll of each face found.

YuNet takes every face for about upright, also one that lies on its side or is upside down. The score tells the roll: a
face that is turned upright scores higher than the same face at any other roll.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.types import Face
from faceshield.faces.carry import build_enlargement, build_turn, carry, compose, keep_distinct
from faceshield.imaging.warp import Matrix, fit_box, invert, scale_of
from faceshield.models import yunet

_SMALLEST = 10  # px, the smallest face in the largest copy
_SMALL_PHOTO = 640  # px, longer side up to which a photo is looked at as it is
_LARGE_PHOTO = 16e6  # pixels; beyond, a photo is reduced as if it had these many
_LEAST_COPY = 100  # px, longer side of the smallest copy: the network knows faces up to about 300 px
_PATCH = 128  # px, side of what is shown of one place
_IN_PATCH = (32, 32, 96, 96)  # xyxy px, where the place lies in it
_SEEN_ROLL = 2.2  # degrees that a face leans for each that YuNet's points do
LEANING = 20.0  # degrees; what leans less is taken as it is
_SURE = 0.9  # the score of hardly any face that is not upright
_CHUNK = 16  # places at a time
_HALF_PIXEL = 0.5  # YuNet counts from the picture's edge, we from the first pixel's centre


class Copy(NamedTuple):
    """A reduced copy (h, w, 3) and the map (2, 3) from it to the photo."""

    pixels: NDArray[np.uint8]
    to_photo: Matrix


class Upright(NamedTuple):
    """A face as it looks upright: the map (2, 3) from the photo to where it does, and the face there."""

    matrix: Matrix
    face: Face


class YunetDetector:
    """Finds faces of ``min_face`` photo pixels and more, and each one's roll.

    Photos up to 640 px are searched down to 10 px; beyond 16 megapixels the smallest face grows with the root of the
    area. Deterministic. The network is loaded at the first use.
    """

    def __init__(self, device: str | torch.device = "cpu", min_face: float = 40, least: float = 0.6) -> None:
        self.device = torch.device(device)
        self.min_face, self.least = min_face, least
        self._network: yunet.YuNet | None = None
        self._thread = ThreadPoolExecutor(1)  # each thread that ran the network would keep a heap of its own

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Faces of ``rgb`` (H, W, 3) that score ``least`` or more, largest first, taken to be upright."""
        return self.search(self.make_copies(rgb), (0,), self.least)

    def look(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> Face | None:
        """The face that fills ``box`` (4,) xyxy in photo pixels, whatever its roll, or None.

        Raises PhotoError for a box without area.
        """
        (found,) = self.turn_upright(self.make_copies(rgb), [box])
        if found is None or found.face.score < self.least:
            return None
        return carry(found.face, invert(found.matrix))

    def make_copies(self, rgb: NDArray[np.uint8]) -> list[Copy]:
        """``rgb`` (H, W, 3) as small as ``min_face`` allows, then halved as long as there is something to see."""
        height, width = rgb.shape[:2]
        reduction = self._choose_reduction(height, width)
        made: list[Copy] = []
        source = rgb
        while True:
            small = round(width * reduction), round(height * reduction)
            if min(small) < _SMALLEST or (made and max(small) < _LEAST_COPY):
                return made
            if reduction < 1:
                source = np.asarray(cv2.resize(source, small, interpolation=cv2.INTER_AREA), np.uint8)
            made.append(Copy(source, build_enlargement(width / small[0], height / small[1])))
            reduction /= 2

    def search(self, copies: Sequence[Copy], quarters: Sequence[int], least: float) -> list[Face]:
        """All that scores ``least`` or more in any of ``make_copies`` turned by each of ``quarters``; in photo pixels.

        Landmarks are those of a face that is upright when turned so, whichever way it is.
        """
        found: list[Face] = []
        for copy in copies[::2]:  # it knows a face from 12 to 300 px: every second is enough
            height, width = copy.pixels.shape[:2]
            for quarter in quarters:
                (faces,) = self._find_faces(np.rot90(copy.pixels, quarter)[None], least)
                back = compose(invert(build_turn(quarter, height, width)), copy.to_photo)
                found += [carry(face, back) for face in faces]
        return keep_distinct(found, 0.4)

    def turn_upright(self, copies: Sequence[Copy], boxes: Sequence[NDArray[np.float32]]) -> list[Upright | None]:
        """What lies in each of ``boxes`` (4,) xyxy, photo pixels, turned so that it looks most like a face.

        By quarter turns; what leans by more than LEANING in the best of them is turned upright.
        """
        placed = [fit_box(box, _IN_PATCH) for box in boxes]
        seen = self._find_surest(
            copies, [[compose(matrix, build_rotation(90 * q, _PATCH)) for q in range(4)] for matrix in placed]
        )
        # a face that leans looks as little like one as it does on its head: those between are asked, too
        between = [
            []
            if one and one.face.score >= _SURE
            else [compose(matrix, build_rotation(90 * q + 45, _PATCH)) for q in range(4)]
            for one, matrix in zip(seen, placed, strict=True)
        ]
        seen = [
            max((one for one in pair if one), key=lambda one: one.face.score, default=None)
            for pair in zip(seen, self._find_surest(copies, between), strict=True)
        ]
        leaning = [one is not None and abs(_lean(one.face)) > LEANING for one in seen]
        for _ in range(2):  # the more a face leans, the less is seen of it
            again = [[_turn_upright(one)] if one and leans else [] for one, leans in zip(seen, leaning, strict=True)]
            better = self._find_surest(copies, again)
            seen = [new or old for new, old in zip(better, seen, strict=True)]
        return seen

    def _find_surest(self, copies: Sequence[Copy], choices: Sequence[Sequence[Matrix]]) -> list[Upright | None]:
        """Of the patches that each of ``choices`` (photo → patch) cuts out the one with the surest face."""
        flat = [(place, matrix) for place, matrices in enumerate(choices) for matrix in matrices]
        best: list[Upright | None] = [None] * len(choices)
        for start in range(0, len(flat), 4 * _CHUNK):
            chunk = flat[start : start + 4 * _CHUNK]
            patches = np.stack([_patch(copies, matrix) for _, matrix in chunk])
            for (place, matrix), faces in zip(chunk, self._find_faces(patches, 0.1), strict=True):
                middle = [face for face in faces if _in_middle(face)]
                face = max(middle, key=lambda face: face.score, default=None)
                known = best[place]
                if face is not None and (known is None or face.score > known.face.score):
                    best[place] = Upright(matrix, face)
        return best

    def _choose_reduction(self, height: int, width: int) -> float:
        coarsest = _SMALLEST / self.min_face
        affordable = coarsest * math.sqrt(_LARGE_PHOTO / max(1, height * width))
        return min(1.0, affordable, max(coarsest, _SMALL_PHOTO / max(1, height, width)))

    def _find_faces(self, images: NDArray[np.uint8], least: float) -> list[list[Face]]:
        """The faces of each of ``images`` (N, H, W, 3), in their own pixels; one of those that overlap."""
        return self._thread.submit(self._run, images, least).result()

    @torch.inference_mode()
    def _run(self, images: NDArray[np.uint8], least: float) -> list[list[Face]]:
        if self._network is None:
            self._network = yunet.load().to(self.device).to(memory_format=torch.channels_last)
        height, width = images.shape[1:3]
        sides = [-(-side // yunet.MULTIPLE) * yunet.MULTIPLE for side in (height, width)]
        padded = torch.zeros(len(images), *sides, 3)
        padded[:, :height, :width] = torch.from_numpy(np.require(images, requirements=["C", "W"])) / 255
        boxes, points, scores = self._network(padded.to(self.device).permute(0, 3, 1, 2))
        found: list[list[Face]] = []
        for number in range(len(images)):
            sure = scores[number] >= least
            parts: list[Any] = [part[number][sure].cpu().numpy() for part in (boxes, points, scores)]
            faces = [
                Face(box - _HALF_PIXEL, marks - _HALF_PIXEL, float(score))
                for box, marks, score in zip(*parts, strict=True)
            ]
            found.append(keep_distinct(faces, 0.3))
        return found


def measure_roll(face: Face) -> float:
    """By how many degrees ``face`` is turned clockwise, as seen in the picture: its eyes and mouth corners say so."""
    left_eye, right_eye, _, left_mouth, right_mouth = face.landmarks
    x, y = right_eye - left_eye + right_mouth - left_mouth
    return math.degrees(math.atan2(y, x))


def build_rotation(degrees: float, side: float) -> Matrix:
    """(2, 3): a square picture of ``side`` pixels turned counter-clockwise, as seen, about its middle."""
    middle = (side - 1) / 2
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, s, middle - c * middle - s * middle], [-s, c, middle + s * middle - c * middle]], np.float32)


def _lean(face: Face) -> float:
    return _SEEN_ROLL * measure_roll(face)


def _turn_upright(one: Upright) -> Matrix:
    return compose(one.matrix, build_rotation(_lean(one.face), _PATCH))


def _patch(copies: Sequence[Copy], matrix: Matrix) -> NDArray[np.uint8]:
    """What ``matrix`` (photo → patch) shows, of the smallest copy that has as many pixels."""
    maps = [compose(copy.to_photo, matrix) for copy in copies]
    number = max((n for n, each in enumerate(maps) if scale_of(each) <= 1), default=0)
    cut: Any = cv2.warpAffine(copies[number].pixels, maps[number], (_PATCH, _PATCH), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8)


def _in_middle(face: Face) -> bool:
    """Whether ``face`` is the one that a patch was cut out for."""
    centre = face.box.reshape(2, 2).mean(0)
    return bool(np.abs(centre - (_PATCH - 1) / 2).max() < _PATCH / 6 and 0.4 < face.size * 2 / _PATCH < 2)
