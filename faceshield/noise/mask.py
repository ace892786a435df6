"""Masks in feature space: δ for one photo that moves its features away from the person's, in a frozen recogniser.

No training step stands between a face search and a photo, so error-minimizing noise (Eq. 2) does nothing against it.
A mask is signed steps on recognisers' own features instead: away from the person's clean photos, and each photo
towards another person, a different one for each, so that a person's masked photos do not form a cluster. It acts on
the recognisers that it was made with; others were measured only where a result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.imaging.blend import LUMA, feather
from faceshield.imaging.crop import CropSpec
from faceshield.imaging.warp import Matrix, scale_of, unwarp, warp
from faceshield.noise.jpeg import BLOCK, Codec, jpeg
from faceshield.noise.likeness import likeness
from faceshield.noise.transforms import resize

Embed = Callable[[Tensor], Tensor]

MIDDLE = (0.5, 0.58, 0.203, 0.266)
"""The ellipse from the brows to the mouth, as shares of the canvas: its centre (x, y) and its half axes."""


@dataclass(frozen=True)
class FeatureLoss:
    """The loss in one frozen recogniser's features that a mask minimises.

    Attributes:
        spec: How the recogniser's crop is cut.
        embed: Maps crops (V, 3, size, size) RGB in [0, 1] to features (V, D); differentiable.
        features: (K, D) of the person's clean photos, the photo to be masked among them.
        target: (D,) features of another person whom this photo is pulled to, or None.
        pull: Weight of the distance to ``target``.
        away: Distance from the nearest clean photo at which the push ends: well above the distance of a match.
        weight: Weight of this loss among several.
    """

    spec: CropSpec
    embed: Embed
    features: Tensor
    target: Tensor | None = None
    pull: float = 1.0
    away: float = 1.0
    weight: float = 1.0

    def loss(self, crops: Tensor) -> Tensor:
        """Mean over ``crops`` of how far short of ``away`` the nearest clean photo is, plus the pull to the target."""
        features = self.embed(crops)
        loss = F.relu(self.away - torch.cdist(features, self.features).amin(1))
        if self.target is not None:
            loss = loss + self.pull * (features - self.target).norm(dim=1)
        return loss.mean()


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


def mask(
    face_view: FaceView,
    losses: Sequence[FeatureLoss],
    budget: Budget,
    generator: Generator,
    *,
    base: Tensor | None = None,
    canvas: int = 128,
    steps: int = 40,
    draws: int = 2,
    ssim: float = 0.95,
    handling: PhotoTransforms | None = None,
) -> Tensor:
    """δ (3, canvas, canvas) for one photo, |δ| ≤ ε, without gradient.

    Each of ``steps`` signed steps takes the gradient of the ``losses``' weighted losses over ``draws`` draws of
    ``handling``. The first draw is the photo as it is written; every other draw is mirrored, since a recogniser may
    average a face with its mirror image. The step size falls linearly. ``ssim`` is the least similarity to the photo
    (:func:`likeness`): a penalty holds it during the steps, and a δ that still breaks it is scaled down at the end.

    ``base`` (3, canvas, canvas) within ε is an identity's noise. Mask and noise would undo each other where they
    overlap, so the mask gets the :data:`MIDDLE` of the face, where a frozen recogniser looks most, and the noise gets
    the rest: a recogniser that is trained finds it anywhere. ``ssim`` bounds the mask alone.
    """
    handling = handling or PhotoTransforms()
    specs = [feature_loss.spec for feature_loss in losses]
    near = face_view.crop_near(canvas, specs)
    device = near.photo.device
    place = torch.ones(1, canvas, canvas) if base is None else draw_middle(canvas)
    start = (torch.zeros(3, canvas, canvas) if base is None else base.cpu() * (1 - place)).to(device)
    noise = (2 * torch.rand(start.shape, generator=generator) - 1) * budget.epsilon / 4
    place = place.to(device)
    delta = start + place * noise.to(device)
    plain = near.with_noise(start)
    for step in range(steps):
        delta.requires_grad_(True)
        photo = near.with_noise(delta)
        written = photo if near.codec is None else near.codec(photo)
        sets = [[near.cut(written, spec) for spec in specs]]
        sets += [handling(near, written, specs, generator) for _ in range(draws - 1)]
        sets[1::2] = [[crop.flip(-1) for crop in crops] for crops in sets[1::2]]
        loss = 20 * F.relu(ssim - likeness(plain, photo))
        for feature_loss, crops in zip(losses, zip(*sets, strict=True), strict=True):
            loss = loss + feature_loss.weight * feature_loss.loss(torch.cat(crops))
        (gradient,) = torch.autograd.grad(loss, delta)
        alpha = budget.epsilon * (0.25 - 0.225 * step / steps)
        delta = budget.project((delta - place * budget.step(gradient, alpha)).detach())
    return start + _scale_to_bound(near, start, delta - start, ssim)


def draw_middle(canvas: int) -> Tensor:
    """(1, S, S): 1 in the :data:`MIDDLE` of the face, 0 around it, with a soft edge between."""
    x, y, half_width, half_height = MIDDLE
    place = (torch.arange(canvas) + 0.5) / canvas
    radius = (((place - x) / half_width)[None] ** 2 + ((place - y) / half_height)[:, None] ** 2).sqrt()
    return ((1 - radius) * 8 + 0.5).clamp(0, 1)[None]


@torch.no_grad()
def _scale_to_bound(face_view: FaceView, fixed: Tensor, delta: Tensor, least: float) -> Tensor:
    """``delta`` times the largest of the factors 0, 1/64, …, 1 that leaves a similarity of ``least``."""
    plain = face_view.with_noise(fixed)
    low, high = 0, 64
    while low < high:  # the similarity falls as the factor grows
        middle = (low + high + 1) // 2
        alike = likeness(plain, face_view.with_noise(fixed + delta * (middle / 64)))
        low, high = (middle, high) if float(alike) >= least else (low, middle - 1)
    return delta * (low / 64)


def _find_corners(matrix: Matrix, size: int) -> Matrix:
    """(4, 2): the corners of a ``size``² destination in the source."""
    linear = np.linalg.inv(matrix[:, :2].astype(np.float64))
    edge = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5], [size - 0.5, size - 0.5]])
    return np.asarray((edge - matrix[:, 2]) @ linear.T, np.float32)
