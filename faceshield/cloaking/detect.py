"""Which face of a photo is the person's: the user's choice among the faces that the detector finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceshield.cloaking.options import Options
from faceshield.core.errors import UnprotectedError
from faceshield.core.types import Face
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.detector import Detector, select_clear
from faceshield.faces.pick import choose, embed_faces, find_most_alike, parse_choice
from faceshield.imaging.photo import load
from faceshield.models import resnet29


class Finder:
    """Finds the faces to cloak in upright photos; one for a run, used from several threads."""

    def __init__(self, options: Options, device: str = "cpu") -> None:
        """Raises UsageError for a choice that cannot be read, UnprotectedError for a ``like`` without a clear face."""
        self.detector: Detector = AnyRollDetector(device)
        self.choice = parse_choice(options.face)
        self.choices = {Path(path): parse_choice(face) for path, face in options.faces.items()}
        self.like = None if options.like is None else Path(options.like)
        self._remembered: dict[tuple[Path, str], tuple[list[Face], int]] = {}
        if self.like is not None:
            self.network = resnet29.load()
            rgb = load(self.like).rgb8()
            sure = select_clear(self.detector.detect(rgb))
            if not sure:
                raise UnprotectedError(f"{self.like}: shows no clear face; give another picture as --like")
            self.reference = embed_faces(rgb, sure[:1], self.network)[0]

    def find(self, rgb: NDArray[np.uint8], path: Path) -> tuple[list[Face], int]:
        """The faces to cloak in ``rgb`` (H, W, 3) and how many were seen in all.

        "largest", "all" and ``like`` take clear faces only; a number or a box may choose a doubtful one. Raises
        UnprotectedError naming ``path`` where no face fits.
        """
        faces, choice = self.detector.detect(rgb), self.choices.get(path, self.choice)
        try:
            if self.like is not None:
                return [
                    find_most_alike(rgb, select_clear(faces), self.reference, self.network, self.like.name)[0]
                ], len(faces)
            if choice in ("largest", "all") and faces and not select_clear(faces):
                best = max(face.score for face in faces)
                raise UnprotectedError(
                    f"only doubtful faces were found (best score {best:.2f}); choose one by --face 1 or by its box"
                )
            wanted = select_clear(faces) if choice == "all" else faces
            return choose(wanted, choice, rgb, self.detector), len(faces)
        except UnprotectedError as error:
            raise UnprotectedError(f"{path}: {error}") from None

    def remember(self, path: Path, digest: str, found: tuple[list[Face], int]) -> None:
        """Keep what :meth:`find` gave for the file ``path`` with this SHA-256, for one :meth:`recall`."""
        self._remembered[path, digest] = found

    def recall(self, path: Path, digest: str) -> tuple[list[Face], int] | None:
        """What :meth:`remember` kept for this file, if its content is the same, and forget it; else None."""
        return self._remembered.pop((path, digest), None)
