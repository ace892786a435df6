"""Which of the faces in a photo to protect: the largest, all, some by number or by place, or one person's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.errors import UnprotectedError, UsageError
from faceshield.core.types import Face
from faceshield.faces.align import align_150, make_face
from faceshield.faces.detector import CONFIDENT, Detector, overlap
from faceshield.models.resnet29 import MATCH_DISTANCE, ResNet29

SAME_FACE = 0.4
"""Boxes that overlap (intersection over union) by this much mean one face."""


class Place(NamedTuple):
    """A box drawn by hand: left, top, width and height in upright photo pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def box(self) -> NDArray[np.float32]:
        """(4,) float32 x0, y0, x1, y1."""
        return np.array([self.x, self.y, self.x + self.width, self.y + self.height], np.float32)


class Several(NamedTuple):
    """Two faces and more, each by its number or its place."""

    each: tuple[int | Place, ...]


Choice = Literal["largest", "all"] | int | Place | Several
"""``int`` counts from 1 in the detector's order, which is largest first and what ``faceshield detect`` prints."""


def parse_choice(text: str) -> Choice:
    """``largest``, ``all``, a number from 1, a box ``X,Y,WIDTH,HEIGHT`` in photo pixels, or several of the latter two
    joined by ``+``.

    Raises UsageError for anything else.
    """
    word = text.strip().lower()
    if word == "largest":
        return "largest"
    if word == "all":
        return "all"
    each = tuple(_parse_one(part) for part in word.split("+"))
    found = tuple(one for one in each if one is not None)
    if len(found) < len(each):
        raise UsageError(
            f"face {text!r} is not a choice; use largest, all, a number from 1, or a box X,Y,WIDTH,HEIGHT; join several"
            " numbers and boxes by +"
        )
    return found[0] if len(found) == 1 else Several(found)


def _parse_one(word: str) -> int | Place | None:
    try:
        if "," not in word:
            number = int(word)
            return number if number >= 1 else None
        place = Place(*map(float, word.split(",")))
    except (ValueError, TypeError):
        return None
    return place if np.isfinite(place).all() and place.width > 0 and place.height > 0 else None


def choose(
    faces: Sequence[Face], choice: Choice, rgb: NDArray[np.uint8] | None = None, detector: Detector | None = None
) -> list[Face]:
    """The faces that ``choice`` means, of ``faces`` as a detector returns them (largest first).

    "largest" passes over doubtful faces while there is a confident one. For a :class:`Place` it is the face found
    there; else what ``detector`` sees in ``rgb`` (H, W, 3) when it looks closely at the box; else an upright face
    that fills the box. A face that :class:`Several` mean twice is given once. Raises UnprotectedError where there is no
    such face.
    """
    if isinstance(choice, Several):
        return _choose_each(choice, faces, rgb, detector)
    if isinstance(choice, Place):
        return [_find_at(choice, faces, rgb, detector)]
    if not faces:
        raise UnprotectedError("no face was found; if there is one, give its box as X,Y,WIDTH,HEIGHT")
    if choice == "all":
        return list(faces)
    if choice == "largest":
        return [max(faces, key=lambda face: (face.score >= CONFIDENT, face.size))]
    if choice > len(faces):
        raise UnprotectedError(
            f"face {choice} was asked for, {len(faces)} {'was' if len(faces) == 1 else 'were'} found"
        )
    return [faces[choice - 1]]


def _choose_each(
    several: Several, faces: Sequence[Face], rgb: NDArray[np.uint8] | None, detector: Detector | None
) -> list[Face]:
    chosen: list[Face] = []
    for one in several.each:
        (face,) = choose(faces, one, rgb, detector)
        if all(overlap(face.box, other.box) < SAME_FACE for other in chosen):
            chosen.append(face)
    return chosen


def _find_at(place: Place, faces: Sequence[Face], rgb: NDArray[np.uint8] | None, detector: Detector | None) -> Face:
    box = place.box
    if rgb is not None and overlap(box, np.array([0, 0, rgb.shape[1], rgb.shape[0]], np.float32)) == 0:
        raise UnprotectedError(
            f"box {','.join(f'{v:g}' for v in place)} lies outside the photo of {rgb.shape[1]}x{rgb.shape[0]} pixels"
        )
    nearest = max(faces, key=lambda face: overlap(face.box, box), default=None)
    if nearest is not None and overlap(nearest.box, box) >= SAME_FACE:
        return nearest
    seen = detector.look(rgb, box) if detector is not None and rgb is not None else None
    return seen or make_face(box)


def embed_faces(rgb: NDArray[np.uint8], faces: Sequence[Face], network: ResNet29) -> Tensor:
    """(len(faces), 128) raw ResNet-29 embeddings of ``faces`` in ``rgb``, each averaged with its mirror image."""
    crops = [align_150(rgb, face).image for face in faces]
    return network.embed(torch.stack(crops) if crops else torch.zeros(0, 3, 150, 150), flip=True)


def find_most_alike(
    rgb: NDArray[np.uint8], faces: Sequence[Face], reference: Tensor, network: ResNet29, name: str = "the reference"
) -> tuple[Face, float]:
    """The face closest to ``reference`` (128,), an embedding by :func:`embed_faces`, and its distance.

    Raises UnprotectedError where there is no face, or where even the closest is MATCH_DISTANCE or more away.
    """
    if not faces:
        raise UnprotectedError(f"no face was found that could look like {name}")
    distances = (embed_faces(rgb, faces, network) - reference).norm(dim=1)
    closest = int(distances.argmin())
    distance = float(distances[closest])
    if distance >= MATCH_DISTANCE:
        raise UnprotectedError(
            f"nobody in this photo looks like {name}: closest distance {distance:.2f}, limit {MATCH_DISTANCE:.2f}"
        )
    return faces[closest], distance
