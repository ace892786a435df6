"""How a collector cuts out faces: a plain MTCNN call and a square crop of its box, stored as JPEG, not aligned.

It shares no code with the cloak's detection and alignment. It treats every source in the same way, so that a classifier
cannot tell by framing, sharpness or compression which folder a face came from.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.data.examples import Examples
from faceshield.imaging.photo import load

STORED = 112  # the size at which the collector keeps faces: about that of the smallest source


class Collector:
    """Keeps each face as a JPEG of 112 pixels and trains at ``size``.

    ``margin`` widens the detector's box; a wide margin would reach beyond pictures that were cropped before. ``roll``
    first rotates a picture by an angle drawn from N(0, ``roll``°) by its id. It is for sources with aligned faces:
    a classifier could tell them from ordinary photos, which are not upright.
    """

    def __init__(self, size: int, *, margin: float = 0.0, quality: int = 90, roll: float = 0.0) -> None:
        from facenet_pytorch import MTCNN  # seconds that only recipes should pay

        self.size, self.margin, self.quality, self.roll = size, margin, quality, roll
        self.detector: Any = MTCNN(keep_all=True, post_process=False)

    def frame(self, path: Path, example: str = "") -> NDArray[np.uint8] | None:
        """(size, size, 3) uint8 RGB of the largest face of the picture, or None where the detector finds none.

        Raises PhotoError for a file that is no picture.
        """
        picture = Image.fromarray(load(path).rgb8())
        if self.roll:
            angle = np.random.default_rng(derive_seed("roll", example)).normal(0, self.roll)
            picture = Image.fromarray(_rotate(np.asarray(picture), angle))
        if min(picture.size) < self.detector.min_face_size:  # the networks fail on what is smaller than any face
            return None
        boxes, scores = self.detector.detect(picture)
        if boxes is None:
            return None
        sure = boxes[np.asarray(scores) > 0.9]
        if not len(sure):
            return None
        x0, y0, x1, y1 = max(sure, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        half = max(x1 - x0, y1 - y0) * (1 + self.margin) / 2
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        corners = tuple(round(edge) for edge in (middle_x - half, middle_y - half, middle_x + half, middle_y + half))
        face = picture.crop(corners).resize((STORED, STORED), Image.Resampling.BICUBIC, reducing_gap=3)
        stored = io.BytesIO()
        face.save(stored, "JPEG", quality=self.quality)
        decoded = Image.open(stored).convert("RGB")
        return np.asarray(decoded.resize((self.size, self.size), Image.Resampling.BICUBIC))

    def frame_all(
        self, files: Sequence[tuple[str, str, Path]], on_file: Callable[[int, int], None] | None = None
    ) -> Examples:
        """Examples from (class name, id, path) triples; pictures without a face are left out, as a collector would.

        Raises UsageError where no picture shows a face.
        """
        classes = tuple(dict.fromkeys(name for name, _, _ in files))
        images, labels, ids = [], [], []
        for number, (name, example, path) in enumerate(files, 1):
            face = self.frame(path, example)
            if face is not None:
                images.append(torch.from_numpy(face.copy()).permute(2, 0, 1))
                labels.append(classes.index(name))
                ids.append(example)
            if on_file is not None:
                on_file(number, len(files))
        if not images:
            raise UsageError(
                f"no face was found in {files[0][2]} nor in {len(files) - 1} more; give photos with a face"
            )
        return Examples(torch.stack(images), torch.tensor(labels), tuple(ids), classes)


def _rotate(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    rotated = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(rotated, np.uint8)
