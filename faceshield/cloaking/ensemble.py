"""The recognisers that masks are made against, each with the person's features and those of other people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from faceshield.core.types import AlignedFace, Face
from faceshield.evaluation.distractors import load_distractors
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.faces.align import BOX_160, align, cut
from faceshield.imaging.crop import CropSpec
from faceshield.models.inception_resnet import CHANNELS, InceptionResnetV1
from faceshield.models.pretrained import PRETRAINED, load, pretrained
from faceshield.noise.face_view import FaceView
from faceshield.noise.mask import Embed, FeatureLoss, find_centre
from faceshield.training.runtime import Runtime

FACENET = "facenet"
"""The name of the user's own InceptionResnetV1, which takes the face's box (``faces.align.align_box``)."""

_SPECS: dict[str, CropSpec] = {
    **{name: entry.spec for name, entry in PRETRAINED.items()},
    FACENET: CropSpec(None, BOX_160),
}
_AWAY_OF_UNIT = 1.7


@dataclass(frozen=True)
class AlignedCrops:
    """A face of the person in the crops that recognisers take.

    Attributes:
        on_canvas: aligned to the canvas of noise.
        crops: (3, S, S) float32 RGB in [0, 1], by the recogniser's name.
    """

    on_canvas: AlignedFace
    crops: Mapping[str, Tensor]

    @staticmethod
    def of(rgb: NDArray[np.uint8], face: Face) -> AlignedCrops:
        """``face`` of ``rgb`` (H, W, 3)."""
        made: dict[int, Tensor] = {}  # recognisers that share a crop share its memory
        for spec in _SPECS.values():
            if id(spec) not in made:
                made[id(spec)] = cut(rgb, face, spec).image
        return AlignedCrops(align(rgb, face), {name: made[id(spec)] for name, spec in _SPECS.items()})


@dataclass(frozen=True)
class FeatureSurrogate:
    """A recogniser, with what a mask needs to know of the person.

    Attributes:
        name: in ``models.pretrained``, or :data:`FACENET`.
        spec: the aligned crop that it takes.
        network: crops (N, 3, S, S) to features (N, D) in float32.
        forward: the same in the fastest precision.
        person: (K, D) features of the person's clean photos.
        targets: (m, D) features of people unlike the person, one of whom is drawn for each photo. With m = 0 a mask
            only leads away from the person.
        away: see :class:`faceshield.noise.mask.FeatureLoss`.
    """

    name: str
    spec: CropSpec
    network: Embed
    forward: Embed
    person: Tensor
    targets: Tensor
    away: float

    def features(self, crops: Tensor) -> Tensor:
        """(K, D) features of ``crops`` (K, 3, S, S), comparable with :attr:`person`."""
        return _embed(crops.to(self.person.device), self.network)

    def feature_loss(self, view: FaceView, rng: Generator) -> FeatureLoss:
        """The loss of a mask on the photo of ``view``; ``rng`` draws the person whom it leads to."""
        clean = self.features(view.cut(view.photo, self.spec))
        target = self.targets[int(torch.randint(len(self.targets), (1,), generator=rng))] if len(self.targets) else None
        return FeatureLoss(
            self.spec, self.forward, find_centre(torch.cat([self.person, clean])), target, away=self.away
        )


def build_ensemble(
    names: Sequence[str],
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    *,
    scatter: bool = True,
    inception: InceptionResnetV1 | None = None,
) -> list[FeatureSurrogate]:
    """Build the recognisers ``names`` of ``models.pretrained`` and the user's ``inception`` with ``faces``' features.

    With ``scatter`` masks lead to other people: to the half of the distractors' targets who are least like the person,
    since near ones would leave a face near its owner, and could be the person. For ``inception`` no distractors are
    known. Raises UsageError for an unknown name, StoreError where weights are absent or damaged.
    """
    ensemble = []
    for name in names:
        network, away = load(name).to(runtime.device), pretrained(name).away
        targets = load_distractors(name).targets if scatter else torch.empty(0, network.width)
        ensemble.append(_build_surrogate(name, network, faces, targets, runtime, away))
    if inception is not None:
        nobody = torch.empty(0, CHANNELS)
        ensemble.append(
            _build_surrogate(FACENET, _Unit(inception.to(runtime.device)), faces, nobody, runtime, _AWAY_OF_UNIT)
        )
    return ensemble


def build_witnesses(
    ensemble: Sequence[FeatureSurrogate], faces: Sequence[AlignedCrops], runtime: Runtime
) -> list[FeatureSurrogate]:
    """The recognisers at hand that are not in ``ensemble``, with the features of ``faces``."""
    taken = {surrogate.name for surrogate in ensemble}
    return build_ensemble([name for name in PRETRAINED if name not in taken], faces, runtime, scatter=False)


class _Unit(torch.nn.Module):
    """``network``'s features, brought to unit length."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return torch.nn.functional.normalize(self.network(images), dim=1)


def _build_surrogate(
    name: str, network: torch.nn.Module, faces: Sequence[AlignedCrops], others: Tensor, runtime: Runtime, away: float
) -> FeatureSurrogate:
    crops = torch.stack([face.crops[name] for face in faces])
    person = _embed(crops.to(runtime.device), network)
    others = others.to(person)
    distance = (others - person.mean(0)).norm(dim=1)
    far = others[distance > distance.median()]
    return FeatureSurrogate(name, _SPECS[name], network, partial(runtime.forward, network), person, far, away)


def _embed(crops: Tensor, network: Embed) -> Tensor:
    """(K, D) on the device of ``crops`` (K, 3, S, S): features of each and of its mirror image, averaged."""
    return combine(embed_pairs(crops, network), unit=False).to(crops.device)
