"""A face of a photo as a mask is optimised on it: the photo near the face, and the ways from canvas to crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from faceshield.imaging.blend import LUMA, feather
from faceshield.imaging.crop import CropSpec
from faceshield.imaging.warp import Matrix, scale_of, unwarp, warp
from faceshield.noise.jpeg import BLOCK, Codec


@dataclass(frozen=True)
class FaceView:
    """One face of a photo, and the geometry that takes it from the canvas of δ to a recogniser's aligned crop.

    Attributes:
        photo: (1, 3, h, w) RGB, uint8 or float in [0, 1]. Noise is added to a float one (see :meth:`crop_near`).
        to_canvas: (2, 3), photo → the canvas of δ.
        landmarks: (5, 2) in pixels of the photo.
        box: (2, 2) corners of the face's box, in pixel edges; for crops without a template.
        grey: Whether the photo is grey, and δ must keep it so.
        codec: The JPEG codec that writes the photo, if one does.
    """

    photo: Tensor
    to_canvas: Matrix
    landmarks: Matrix
    box: Matrix
    grey: bool = False
    codec: Codec | None = None

    def crop_near(self, canvas: int, specs: Sequence[CropSpec], finest: float = 2.0) -> FaceView:
        """The same face in the smallest picture that covers the canvas and the crops by ``specs``.

        It is reduced to at most ``finest`` pixels for one pixel of a crop: δ has no finer detail, and a large photo
        only costs time. A picture that is not reduced begins at the edge of a JPEG block and keeps the codec; a reduced
        one has none.
        """
        ways = [(self.find_matrix(spec), spec.size) for spec in specs]
        scale = min(1.0, finest * max(scale_of(matrix) for matrix, _ in ways))
        corners = np.concatenate([_find_corners(matrix, size) for matrix, size in [(self.to_canvas, canvas), *ways]])
        height, width = self.photo.shape[-2:]
        low = np.clip(np.floor(corners.min(0)) - 2, 0, (width - 1, height - 1))
        if scale == 1:
            low = low // BLOCK * BLOCK
        high = np.clip(np.ceil(corners.max(0)) + 3, low + 1, (width, height))
        matrix = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]], np.float32)
        w, h = np.maximum(np.ceil(scale * (high - low)), 1).astype(int)
        linear = self.to_canvas[:, :2] / scale
        shift = self.to_canvas[:, 2] + self.to_canvas[:, :2] @ low
        return replace(
            self,
            photo=warp(self.photo, matrix, (int(h), int(w))),
            to_canvas=np.column_stack([linear, shift]).astype(np.float32),
            landmarks=((self.landmarks - low) * scale).astype(np.float32),
            box=((self.box - 0.5 - low) * scale + 0.5).astype(np.float32),
            codec=self.codec if scale == 1 else None,
        )

    def with_noise(self, delta: Tensor) -> Tensor:
        """(1, 3, h, w): the photo with ``delta`` (3, S, S), feathered and laid on as ``imaging.blend`` does."""
        patch, (y, x) = unwarp(feather(delta), self.to_canvas, (self.photo.shape[-2], self.photo.shape[-1]))
        if self.grey:
            patch = torch.tensordot(torch.from_numpy(LUMA).to(patch), patch, 1)[None].expand(3, -1, -1)
        bottom, right = self.photo.shape[-2] - y - patch.shape[1], self.photo.shape[-1] - x - patch.shape[2]
        return (self.photo + F.pad(patch, (x, right, y, bottom))).clamp(0, 1)

    def find_matrix(self, spec: CropSpec, moved: Matrix | None = None) -> Matrix:
        """(2, 3), photo → crop; ``moved`` (5, 2): pixels that the landmarks are off; the first two shift ``box``."""
        errors = np.zeros((5, 2), np.float32) if moved is None else moved
        return spec.find_matrix(self.landmarks + errors, self.box + errors[:2])

    def cut(self, photo: Tensor, spec: CropSpec, moved: Matrix | None = None) -> Tensor:
        """(1, 3, size, size): the aligned crop of ``photo``; ``moved`` as in :meth:`find_matrix`."""
        return warp(photo, self.find_matrix(spec, moved), (spec.size, spec.size))


def _find_corners(matrix: Matrix, size: int) -> Matrix:
    """(4, 2): the corners of a ``size``² destination in the source."""
    linear = np.linalg.inv(matrix[:, :2].astype(np.float64))
    edge = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5], [size - 0.5, size - 0.5]])
    return np.asarray((edge - matrix[:, 2]) @ linear.T, np.float32)
