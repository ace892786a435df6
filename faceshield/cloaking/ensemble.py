"""The recognisers that masks are made against, each with the person's features and those of other people."""

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

SHIPPED_WEIGHT = 1.0
"""The weight of all shipped recognisers together; ResNet-29 has 1 too. recipes/faces/search.yaml measures it."""

PULL = 0.3
"""The weight of the pull towards another person. With more, photos stay nearer to the person they show, and the
gradients of several recognisers agree less."""


@dataclass(frozen=True)
class AlignedCrops:
    """A face of the person in the crops that recognisers take, float32 RGB in [0, 1].

    Attributes:
        on_canvas: aligned to the canvas of noise.
        dlib: (3, 150, 150) as ResNet-29 takes it.
        facenet: (3, 160, 160) as facenet-pytorch cuts it out.
    """

    on_canvas: AlignedFace
    dlib: Tensor
    facenet: Tensor

    @staticmethod
    def of(rgb: NDArray[np.uint8], face: Face) -> AlignedCrops:
        """``face`` of ``rgb`` (H, W, 3)."""
        return AlignedCrops(align(rgb, face), align_150(rgb, face).image, align_box(rgb, face).image)


@dataclass(frozen=True)
class FeatureSurrogate:
    """A recogniser, with what a mask needs to know of the person.

    Attributes:
        crop: the aligned crop that it takes.
        network: crops (N, 3, S, S) to features (N, D) in float32.
        forward: the same in the fastest precision.
        person: (K, D) features of the person's clean photos.
        targets: (m, D) features of people unlike the person, one of whom is drawn for each photo. With m = 0 a mask
            only leads away from the person.
        unit: whether features have unit length.
        pull, away, weight: see :class:`faceshield.noise.mask.FeatureLoss`.
    """

    crop: CropSpec
    network: Embed
    forward: Embed
    person: Tensor
    targets: Tensor
    unit: bool
    pull: float
    away: float
    weight: float = 1.0

    def features(self, crops: Tensor) -> Tensor:
        """(K, D) features of ``crops`` (K, 3, S, S), comparable with :attr:`person`."""
        return _embed(crops.to(self.person.device), self.network, self.unit)

    def feature_loss(self, view: FaceView, rng: Generator) -> FeatureLoss:
        """The loss of a mask on the photo of ``view``; ``rng`` draws the person whom it leads to."""
        clean = self.features(view.cut(view.photo, self.crop))
        target = self.targets[int(torch.randint(len(self.targets), (1,), generator=rng))] if len(self.targets) else None
        person = torch.cat([self.person, clean])
        return FeatureLoss(self.crop, self.forward, person, target, self.pull, self.away, self.weight)


def build_ensemble(
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    *,
    shipped_recognisers: bool = True,
    scatter: bool = True,
    inception: InceptionResnetV1 | None = None,
) -> list[FeatureSurrogate]:
    """Build ResNet-29, the ``shipped_recognisers`` and the user's ``inception`` with the features of ``faces``.

    With ``scatter`` masks lead to other people: to the half of the distractors who are least like the person, since
    near ones would leave a face near its owner, and could be the person. For ``inception`` no distractors are known.
    Raises StoreError where weights are absent or damaged.
    """
    resnet, dlib = resnet29.load().to(runtime.device), CropSpec(DLIB_150, resnet29.CROP_SIZE)
    crops = torch.stack([face.dlib for face in faces])
    ensemble = [_build_surrogate(resnet, dlib, crops, load_distractors().targets, runtime, unit=False, away=1.3)]
    canvases = torch.stack([face.on_canvas.image for face in faces])
    shipped = [network.to(runtime.device) for network in load_recognisers()] if shipped_recognisers else []
    for network in shipped:
        crops, spec = PlainCrop(size=network.size)(canvases, Generator()), crop_spec(network.size)
        weight = SHIPPED_WEIGHT / len(shipped)
        ensemble.append(
            _build_surrogate(network, spec, crops, network.strangers, runtime, unit=True, away=1.4, weight=weight)
        )
    if inception is not None:
        crops, nobody = torch.stack([face.facenet for face in faces]), torch.empty(0, CHANNELS)
        inception, spec = inception.to(runtime.device), CropSpec(None, BOX_160)
        ensemble.append(_build_surrogate(inception, spec, crops, nobody, runtime, unit=True, away=1.4))
    return ensemble if scatter else [replace(surrogate, targets=surrogate.targets[:0]) for surrogate in ensemble]


def crop_spec(size: int) -> CropSpec:
    """The field's 112×112 crop, the middle of the canvas, at ``size``² pixels."""
    return CropSpec(template(size), size)


def _build_surrogate(
    network: torch.nn.Module, spec: CropSpec, crops: Tensor, others: Tensor, runtime: Runtime, *, unit: bool,
    away: float, weight: float = 1.0,
) -> FeatureSurrogate:  # fmt: skip
    person = _embed(crops.to(runtime.device), network, unit)
    others = others.to(person)
    distance = (others - person.mean(0)).norm(dim=1)
    far = others[distance > distance.median()]
    return FeatureSurrogate(spec, network, partial(runtime.forward, network), person, far, unit, PULL, away, weight)


def _embed(crops: Tensor, network: Embed, unit: bool) -> Tensor:
    """(K, D) on the device of ``crops`` (K, 3, S, S): features of each and of its mirror image, averaged."""
    return combine(embed_pairs(crops, network), unit=unit).to(crops.device)
