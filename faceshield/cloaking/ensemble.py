"""The recognisers that a person's masks are made against: how each sees the person, and whom it may take them for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from faceshield.core.types import AlignedFace, Face
from faceshield.evaluation.distractors import load_distractors
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.faces.align import BOX_160, align, align_150, align_box
from faceshield.imaging.crop import DLIB_150, CropSpec, template
from faceshield.models import resnet29
from faceshield.models.inception_resnet import CHANNELS, InceptionResnetV1
from faceshield.models.recognisers import load_recognisers
from faceshield.noise.mask import Embed, FaceView, FeatureLoss
from faceshield.noise.transforms import PlainCrop
from faceshield.training.runtime import Runtime

OTHERS = 1.0
"""The weight of our own recognisers together, as ResNet-29's; recipes/faces/search.yaml measures what it leads to."""

PULL = 0.3
"""How strongly a photo is pulled to a stranger: with more, it comes to stay nearer to its person, and several opponents
ask for what agrees less."""


@dataclass(frozen=True)
class AlignedCrops:
    """A face of the person as all see it: on the canvas of noise, as ResNet-29's ``chip`` (3, 150, 150), and its
    ``boxed`` crop (3, 160, 160) as facenet-pytorch cuts it out.
    """

    on_canvas: AlignedFace
    chip: Tensor
    boxed: Tensor

    @staticmethod
    def of(rgb: NDArray[np.uint8], face: Face) -> AlignedCrops:
        """``face`` of ``rgb`` (H, W, 3)."""
        return AlignedCrops(align(rgb, face), align_150(rgb, face).image, align_box(rgb, face).image)


@dataclass(frozen=True)
class FeatureSurrogate:
    """A recogniser, with what a mask needs to know of the person.

    chip    its input · network: chips to features (N, D) in float32 · forward: the same in the fastest precision
    own     (K, D): features of the person's clean photos · targets (m, D): strangers unlike them, one drawn for a photo
            (m = 0: photos are sent to nobody, only away)
    unit    whether features have unit length · pull, away, weight: of :class:`faceshield.noise.mask.FeatureLoss`
    """

    chip: CropSpec
    network: Embed
    forward: Embed
    own: Tensor
    targets: Tensor
    unit: bool
    pull: float
    away: float
    weight: float = 1.0

    def features(self, chips: Tensor) -> Tensor:
        """(K, D) of ``chips`` (K, 3, size, size) as :attr:`own` has them."""
        return _features(chips.to(self.own.device), self.network, self.unit)

    def feature_loss(self, sight: FaceView, rng: Generator) -> FeatureLoss:
        """It before the photo of ``sight``, with a stranger drawn from ``rng``."""
        here = self.features(sight.cut(sight.photo, self.chip))
        target = self.targets[int(torch.randint(len(self.targets), (1,), generator=rng))] if len(self.targets) else None
        own = torch.cat([self.own, here])
        return FeatureLoss(self.chip, self.forward, own, target, self.pull, self.away, self.weight)


def build_ensemble(
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    *,
    shipped_recognisers: bool = True,
    scatter: bool = True,
    inception: InceptionResnetV1 | None = None,
) -> list[FeatureSurrogate]:
    """ResNet-29, with ``shipped_recognisers`` our recognisers, and the user's ``inception``, before the person of
    ``faces``; with
    ``scatter`` they have strangers to send photos to, but for ``inception``, for which none are known.

    Photos are sent to the half of the strangers who are least like the person: near ones leave a face nearer to its
    owner, and could be them. Raises StoreError where weights are absent or damaged.
    """
    shipped, dlib = resnet29.load().to(runtime.device), CropSpec(DLIB_150, resnet29.CHIP)
    chips = torch.stack([face.chip for face in faces])
    made = [_build_surrogate(shipped, dlib, chips, load_distractors().targets, runtime, unit=False, away=1.3)]
    canvases = torch.stack([face.on_canvas.image for face in faces])
    others = [other.to(runtime.device) for other in load_recognisers()] if shipped_recognisers else []
    for other in others:
        crops, chip = PlainCrop(size=other.size)(canvases, Generator()), crop_spec(other.size)
        weight = OTHERS / len(others)
        made.append(_build_surrogate(other, chip, crops, other.strangers, runtime, unit=True, away=1.4, weight=weight))
    if inception is not None:
        crops, nobody = torch.stack([face.boxed for face in faces]), torch.empty(0, CHANNELS)
        inception, chip = inception.to(runtime.device), CropSpec(None, BOX_160)
        made.append(_build_surrogate(inception, chip, crops, nobody, runtime, unit=True, away=1.4))
    return made if scatter else [replace(opponent, targets=opponent.targets[:0]) for opponent in made]


def crop_spec(size: int) -> CropSpec:
    """The field's 112×112 crop, the middle of the canvas, at ``size``² pixels."""
    return CropSpec(template(size), size)


def _build_surrogate(
    network: torch.nn.Module, chip: CropSpec, chips: Tensor, targets: Tensor, runtime: Runtime, *, unit: bool,
    away: float, weight: float = 1.0,
) -> FeatureSurrogate:  # fmt: skip
    own = _features(chips.to(runtime.device), network, unit)
    targets = targets.to(own)
    distance = (targets - own.mean(0)).norm(dim=1)
    far = targets[distance > distance.median()]
    return FeatureSurrogate(chip, network, partial(runtime.forward, network), own, far, unit, PULL, away, weight)


def _features(chips: Tensor, network: Embed, unit: bool) -> Tensor:
    """(K, D) where ``chips`` are: each of them (K, 3, S, S) and its mirror image, averaged."""
    return combine(embed_pairs(chips, network), unit=unit).to(chips.device)
