"""Masks in feature space: δ for one photo that carries its face away from the person, for a frozen recogniser.

No training step stands between a face search and a photo, so error-minimizing noise (Eq. 2) does nothing against it.
A mask is signed steps on recognisers' own features instead: away from the person's clean photos, and each photo
towards a stranger of its own, so that a person's masked photos do not gather where only they are. It acts on the
recognisers it was made with; others were measured only where a result says so.
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
    """A frozen recogniser that a mask is made against.

    embed   chips (V, 3, size, size) RGB in [0, 1] to features (V, D), differentiable
    own     (K, D) features of the person's clean photos, the masked one's among them
    target  (D,) the stranger whom this photo is pulled to, None for nobody · pull: how strongly
    away    distance from the nearest clean photo at which the push ends: well above the distance of a match
    weight  of its loss among those of several
    """

    chip: CropSpec
    embed: Embed
    own: Tensor
    target: Tensor | None = None
    pull: float = 1.0
    away: float = 1.0
    weight: float = 1.0

    def loss(self, chips: Tensor) -> Tensor:
        """Mean over views: how far short of ``away`` the nearest clean photo is, and the distance to the target."""
        features = self.embed(chips)
        loss = F.relu(self.away - torch.cdist(features, self.own).amin(1))
        if self.target is not None:
            loss = loss + self.pull * (features - self.target).norm(dim=1)
        return loss.mean()


@dataclass(frozen=True)
class FaceView:
    """One face as recognisers come to see it: canvas → photo → chip.

    photo (1, 3, h, w) RGB, uint8 or float in [0, 1]; noise is laid on a float one, as :meth:`near` gives it ·
    ``to_canvas`` (2, 3), photo → the canvas of δ · ``landmarks`` (5, 2) in its pixels · ``box`` (2, 2): the corners of
    the face's box in pixel edges, for chips without a template · ``grey``: δ keeps it so · ``codec``: the JPEG codec
    that writes the photo, if one does
    """

    photo: Tensor
    to_canvas: Matrix
    landmarks: Matrix
    box: Matrix
    grey: bool = False
    codec: Codec | None = None

    def near(self, canvas: int, chips: Sequence[CropSpec], finest: float = 2.0) -> FaceView:
        """The same face in a small picture: only what canvas and chips see, at most ``finest`` pixels for one of a
        chip.

        δ has no more detail than its canvas: the rest of a large photo costs time and changes nothing. A picture that
        is not made smaller begins where a block of the codec does; of a smaller one the codec says nothing.
        """
        ways = [(self.way(chip), chip.size) for chip in chips]
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

    def way(self, chip: CropSpec, moved: Matrix | None = None) -> Matrix:
        """(2, 3), photo → chip; ``moved`` (5, 2): the landmarks' errors in pixels, the first two the corners' too."""
        errors = np.zeros((5, 2), np.float32) if moved is None else moved
        return chip.way(self.landmarks + errors, self.box + errors[:2])

    def chip(self, photo: Tensor, chip: CropSpec, moved: Matrix | None = None) -> Tensor:
        """(1, 3, size, size): the face of ``photo`` as it is cut out, see :meth:`way`."""
        return warp(photo, self.way(chip, moved), (chip.size, chip.size))


@dataclass(frozen=True)
class PhotoTransforms:
    """What may happen to a photo before it is searched, drawn for each view; the first view of a step has none of it.

    jitter   standard deviation of each landmark, as a share of the distance between the eyes
    resample probability of a smaller copy (``smallest`` to 1 of its size) and back · jpeg: of JPEG at a ``quality``
    """

    jitter: float = 0.03
    resample: float = 0.4
    smallest: float = 0.5
    jpeg: float = 0.6
    quality: tuple[float, float] = (60.0, 95.0)

    def __call__(self, sight: FaceView, photo: Tensor, chips: Sequence[CropSpec], generator: Generator) -> list[Tensor]:
        """(1, 3, size, size) each: the ``chips`` of ``photo`` after one draw; differentiable."""
        draw = torch.rand(4, generator=generator).tolist()
        if draw[0] < self.jpeg:
            low, high = self.quality
            photo = jpeg(photo, torch.tensor([low + (high - low) * draw[1]], device=photo.device))
        eyes = float(np.linalg.norm(sight.landmarks[1] - sight.landmarks[0]))
        moved = torch.randn(5, 2, generator=generator).numpy() * np.float32(self.jitter * eyes)
        seen = [sight.chip(photo, chip, moved) for chip in chips]
        if draw[2] < self.resample:
            share = self.smallest + (1 - self.smallest) * draw[3]
            seen = [resize(resize(x, round(chip.size * share)), chip.size) for x, chip in zip(seen, chips, strict=True)]
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
    views: int = 2,
    ssim: float = 0.95,
    handling: PhotoTransforms | None = None,
) -> Tensor:
    """δ (3, canvas, canvas) for one photo, |δ| ≤ ε, without gradient.

    Each of ``steps`` signed steps takes the gradient of the ``losses``' weighted losses over ``views`` draws of
    ``handling``, the first of them the photo as it is written, every other one mirrored (a recogniser may average a
    face with its mirror image); the step size falls linearly. ``ssim`` is the least similarity to the photo that δ may
    leave (:func:`likeness`): it costs during the steps, and what still exceeds it is scaled down at the end.

    ``base`` (3, canvas, canvas) within ε, an identity's noise, shares the face with the mask: it keeps what lies around
    the :data:`MIDDLE` of the face, where the mask has all of ε for itself. A recogniser of faces looks there most; one
    that is trained finds the noise anywhere. Laid on one another, the two would undo each other. The bound of
    similarity is the mask's alone.
    """
    handling = handling or PhotoTransforms()
    chips = [watcher.chip for watcher in losses]
    near = face_view.near(canvas, chips)
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
        drawn = [[near.chip(written, chip) for chip in chips]]
        drawn += [handling(near, written, chips, generator) for _ in range(views - 1)]
        drawn[1::2] = [[chip.flip(-1) for chip in view] for view in drawn[1::2]]
        loss = 20 * F.relu(ssim - likeness(plain, photo))
        for watcher, seen in zip(losses, zip(*drawn, strict=True), strict=True):
            loss = loss + watcher.weight * watcher.loss(torch.cat(seen))
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
def _scale_to_bound(sight: FaceView, fixed: Tensor, delta: Tensor, least: float) -> Tensor:
    """``delta`` scaled down as far as ``least`` asks: the largest of 64 factors."""
    plain = sight.with_noise(fixed)
    low, high = 0, 64
    while low < high:  # the similarity falls as the factor grows
        middle = (low + high + 1) // 2
        alike = likeness(plain, sight.with_noise(fixed + delta * (middle / 64)))
        low, high = (middle, high) if float(alike) >= least else (low, middle - 1)
    return delta * (low / 64)


def _find_corners(matrix: Matrix, size: int) -> Matrix:
    """(4, 2): the corners of a ``size``² destination in the source."""
    linear = np.linalg.inv(matrix[:, :2].astype(np.float64))
    edge = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5], [size - 0.5, size - 0.5]])
    return np.asarray((edge - matrix[:, 2]) @ linear.T, np.float32)
