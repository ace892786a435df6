"""Pictures with faces drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceshield.core.errors import StoreError
from faceshield.core.store import write_bytes
from faceshield.core.types import Face
from faceshield.faces.detector import CONFIDENT

SURE, DOUBTFUL = (60, 200, 60), (240, 160, 0)


def draw_faces(rgb: NDArray[np.uint8], faces: Sequence[Face], path: Path) -> None:
    """Write ``rgb`` (H, W, 3) as PNG with each face's box, landmarks and number (green, or orange where doubtful)."""
    canvas: Any = rgb.copy()
    thick = max(1, round(max(rgb.shape[:2]) / 600))
    for number, face in enumerate(faces, 1):
        colour = SURE if face.score >= CONFIDENT else DOUBTFUL
        x0, y0, x1, y1 = (round(float(edge)) for edge in face.box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, thick)
        for x, y in face.landmarks:
            cv2.circle(canvas, (round(float(x)), round(float(y))), 2 * thick, colour, -1)
        text = f"{number}  {face.score:.2f}"
        cv2.putText(canvas, text, (x0, max(12, y0 - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thick, colour, thick)
    done, data = cv2.imencode(".png", canvas[..., ::-1])
    if not done:
        raise StoreError(f"{path}: could not be encoded as PNG")
    write_bytes(path, data.tobytes())
