"""A detector with a cache: faces of pixels that it has seen before are remembered, or read from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.cache import load_or_make, shard_path
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.core.types import Face
from faceshield.faces.detector import Detector


class KeptDetector:
    """``detector``, with the faces of each photo kept under the hash of its pixels: in ``folder``, else in memory.

    Several recognisers that look at the same photos then pay for one detection. Use one folder a detector. Raises
    StoreError where the folder cannot be written or a kept file is damaged.
    """

    def __init__(self, detector: Detector, folder: Path | None = None) -> None:
        self.detector, self.folder = detector, folder
        self._seen: dict[str, list[Face]] = {}

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """As the detector's own."""
        name = sha256(f"{rgb.shape}".encode() + rgb.tobytes())
        if self.folder is None:
            if name not in self._seen:
                self._seen[name] = self.detector.detect(rgb)
            return self._seen[name]
        return load_or_make(shard_path(self.folder, name), _read, lambda: self.detector.detect(rgb), _write)

    def look(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> Face | None:
        """As the detector's own; not kept."""
        return self.detector.look(rgb, box)


def _read(path: Path) -> list[Face]:
    found = read_tensors(path)[0]
    parts = (found[part].numpy() for part in ("boxes", "landmarks", "scores"))
    return [Face(box, points, float(score)) for box, points, score in zip(*parts, strict=True)]


def _write(path: Path, faces: list[Face]) -> None:
    tensors = {
        "boxes": torch.tensor(np.array([face.box for face in faces])).view(-1, 4),
        "landmarks": torch.tensor(np.array([face.landmarks for face in faces])).view(-1, 5, 2),
        "scores": torch.tensor([face.score for face in faces], dtype=torch.float64),
    }
    write_tensors(path, tensors, {})
