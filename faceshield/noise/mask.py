"""Masks in feature space: δ for one photo that moves its features away from the person's, in a frozen recogniser.

No training step stands between a face search and a photo, so error-minimizing noise (Eq. 2) does nothing against it.
A mask is signed steps on recognisers' own features instead: away from the person's clean photos, and each photo
towards another person, a different one for each, so that a person's masked photos do not form a cluster. It acts on
the recognisers that it was made with; others were measured only where a result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.imaging.crop import CropSpec
from faceshield.imaging.warp import warp
from faceshield.noise.band import keep_pattern
from faceshield.noise.face_view import FaceView
from faceshield.noise.likeness import likeness
from faceshield.noise.photo_transforms import PhotoTransforms
from faceshield.noise.smooth import smooth

Embed = Callable[[Tensor], Tensor]
PatternLoss = Callable[[Tensor, Generator], Tensor]
"""Of a face (1, 3, canvas, canvas) in [0, 1]: low where an identity's noise shows in it; see ``noise.identity``."""


@dataclass(frozen=True)
class FeatureLoss:
    """The loss in one frozen recogniser's features that a mask minimises.

    Attributes:
        spec: How the recogniser's crop is cut.
        embed: Maps crops (V, 3, size, size) RGB in [0, 1] to features (V, D); differentiable.
        centre: (D,) the middle of the person's clean photos (:func:`find_centre`). A mask that leads away from it leads
            away from photos of the person that nobody has seen too; the nearest clean photo is only one of them.
        target: (D,) features of another person whom this photo is pulled to, or None.
        pull: Weight of the distance to ``target``.
        away: Distance from ``centre`` at which the push ends: well above the distance of a match.
        weight: Weight of this loss among several.
    """

    spec: CropSpec
    embed: Embed
    centre: Tensor
    target: Tensor | None = None
    pull: float = 0.3
    away: float = 1.0
    weight: float = 1.0

    def loss(self, crops: Tensor) -> Tensor:
        """Mean over ``crops`` of how far short of ``away`` they are, plus the pull to the target."""
        features = self.embed(crops)
        loss = F.relu(self.away - (features - self.centre).norm(dim=1))
        if self.target is not None:
            loss = loss + self.pull * (features - self.target).norm(dim=1)
        return loss.mean()


def find_centre(features: Tensor) -> Tensor:
    """(D,): the mean direction of ``features`` (K, D), as long as they are on average."""
    centre: Tensor = F.normalize(features.mean(0), dim=0) * features.norm(dim=1).mean()
    return centre


def mask(
    face_view: FaceView,
    losses: Sequence[FeatureLoss],
    budget: Budget,
    generator: Generator,
    *,
    first: Tensor | None = None,
    pattern_loss: PatternLoss | None = None,
    canvas: int = 128,
    steps: int = 32,
    draws: int = 1,
    at_once: int | None = 2,
    broad: float = 1.0,
    momentum: float = 0.8,
    ssim: float = 0.95,
    transforms: PhotoTransforms | None = None,
) -> Tensor:
    """δ (3, canvas, canvas) for one photo, |δ| ≤ ε, without gradient.

    Each of ``steps`` signed steps takes the gradient of ``at_once`` of the ``losses``, drawn anew (None: of all), over
    ``draws`` ways of the photo to their crops. Every other way is the photo as it is written, the rest are draws of
    ``transforms``; every other pair is mirrored, since a recogniser may average a face with its mirror image. To the
    gradient is added ``broad`` times its smoothed self, both of unit length: broad changes of lightness cost little
    similarity, and recognisers that the mask is not made against look at them. ``momentum`` is the share of the last
    direction that is kept (Dong et al. 2018). The step size falls linearly.

    ``ssim`` is the least similarity to the photo (:func:`likeness`): a penalty holds it during the steps, and a δ that
    still breaks it is scaled down at the end.

    ``first`` (3, canvas, canvas) within ε is where the steps begin, an identity's noise. With ``pattern_loss`` each
    step also takes its gradient, kept in the noise's band and as long as the mask's own: what a recogniser that is
    trained on the photo learns stays, in a pattern that has made room for the mask.
    """
    transforms = transforms or PhotoTransforms()
    near = face_view.crop_near(canvas, [loss.spec for loss in losses])
    device = near.photo.device
    start = torch.zeros(3, canvas, canvas) if first is None else first
    noise = (2 * torch.rand(start.shape, generator=generator) - 1) * budget.epsilon / 4
    delta = budget.project((start + noise).to(device))
    plain = near.photo
    direction = torch.zeros_like(delta)
    for step in range(steps):
        delta.requires_grad_(True)
        photo = near.with_noise(delta)
        penalty = 20 * F.relu(ssim - likeness(plain, photo))
        order = torch.randperm(len(losses), generator=generator)[:at_once]
        chosen = [losses[number] for number in order.sort().values.tolist()]
        ways = _take_ways(near, photo, [one.spec for one in chosen], transforms, generator, step * draws, draws)
        loss = penalty
        for one, crops in zip(chosen, ways, strict=True):
            loss = loss + one.weight * one.loss(crops)
        (gradient,) = torch.autograd.grad(loss, delta, retain_graph=pattern_loss is not None)
        found = _broaden(gradient, broad)
        if pattern_loss is not None:
            face = warp(photo, near.to_canvas, (canvas, canvas))
            (kept,) = torch.autograd.grad(pattern_loss(face, generator), delta)
            kept = keep_pattern(kept)
            found = found + kept * (found.norm() / kept.norm().clamp_min(1e-12))
        direction = momentum * direction + found
        alpha = budget.epsilon * (0.25 - 0.225 * step / steps)
        delta = budget.project((delta - budget.step(direction, alpha)).detach())
    return _scale_to_bound(near, delta, ssim)


def _take_ways(
    near: FaceView,
    photo: Tensor,
    specs: Sequence[CropSpec],
    transforms: PhotoTransforms,
    generator: Generator,
    first: int,
    count: int,
) -> list[Tensor]:
    """The crops (``count``, 3, size, size) of ``photo`` by each of ``specs``, on the ways from ``first`` on."""
    written = photo if near.codec is None else near.codec(photo)
    sets = []
    for number in range(first, first + count):
        crops = (
            [near.cut(written, spec) for spec in specs]
            if number % 2 == 0
            else transforms(near, written, specs, generator)
        )
        sets.append([crop.flip(-1) for crop in crops] if number // 2 % 2 else crops)
    return [torch.cat(crops) for crops in zip(*sets, strict=True)]


def _broaden(gradient: Tensor, broad: float) -> Tensor:
    """``gradient`` and ``broad`` times its smoothed self, each brought to unit length first."""
    wide = smooth(gradient, 2.0)
    return F.normalize(gradient.flatten(), dim=0).view_as(wide) + broad * F.normalize(wide.flatten(), dim=0).view_as(
        wide
    )


@torch.no_grad()
def _scale_to_bound(face_view: FaceView, delta: Tensor, least: float) -> Tensor:
    """``delta`` times the largest of the factors 0, 1/64, …, 1 that leaves a similarity of ``least``."""
    low, high = 0, 64
    while low < high:  # the similarity falls as the factor grows
        middle = (low + high + 1) // 2
        alike = likeness(face_view.photo, face_view.with_noise(delta * (middle / 64)))
        low, high = (middle, high) if float(alike) >= least else (low, middle - 1)
    return delta * (low / 64)
