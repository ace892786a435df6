"""Random transforms of a photo on its way to a recogniser: masks are made under them (EOT, Athalye et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from faceshield.imaging.crop import CropSpec
from faceshield.noise.face_view import FaceView
from faceshield.noise.jpeg import jpeg
from faceshield.noise.transforms import resize


@dataclass(frozen=True)
class PhotoTransforms:
    """Random transforms of a photo on its way to a recogniser (expectation over transformations).

    Attributes:
        jitter: Standard deviation of each landmark, as a share of the distance between the eyes.
        resample: Probability of a smaller copy and back.
        smallest: The least size of that copy, as a share.
        jpeg: Probability of JPEG.
        quality: Least and highest quality of that JPEG, 1–100.
    """

    jitter: float = 0.03
    resample: float = 0.4
    smallest: float = 0.5
    jpeg: float = 0.6
    quality: tuple[float, float] = (60.0, 95.0)

    def __call__(
        self, face_view: FaceView, photo: Tensor, specs: Sequence[CropSpec], generator: Generator
    ) -> list[Tensor]:
        """(1, 3, size, size) each: the crops of ``photo`` by ``specs`` after one draw; differentiable."""
        draw = torch.rand(4, generator=generator).tolist()
        if draw[0] < self.jpeg:
            low, high = self.quality
            photo = jpeg(photo, torch.tensor([low + (high - low) * draw[1]], device=photo.device))
        eyes = float(np.linalg.norm(face_view.landmarks[1] - face_view.landmarks[0]))
        moved = torch.randn(5, 2, generator=generator).numpy() * np.float32(self.jitter * eyes)
        seen = [face_view.cut(photo, spec, moved) for spec in specs]
        if draw[2] < self.resample:
            share = self.smallest + (1 - self.smallest) * draw[3]
            seen = [resize(resize(x, round(spec.size * share)), spec.size) for x, spec in zip(seen, specs, strict=True)]
        return seen
