"""What is added to a person's photos: one noise for all of them, or a mask for each, with the noise or without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from faceshield.cloaking.check import Written
from faceshield.cloaking.ensemble import FeatureSurrogate
from faceshield.cloaking.options import Options
from faceshield.core.budget import Budget, Look
from faceshield.core.rng import generator
from faceshield.core.types import Face, Photo
from faceshield.evaluation.calibration import load_limit
from faceshield.faces.align import align, cut, fit_canvas, round_box
from faceshield.imaging.photo import JPEG_QUALITY, choose_format
from faceshield.imaging.warp import from_rgb
from faceshield.models.pretrained import PRETRAINED
from faceshield.noise.face_view import FaceView
from faceshield.noise.identity import Identity
from faceshield.noise.jpeg import Codec, build_tables
from faceshield.noise.look import adjust
from faceshield.noise.mask import PatternLoss, mask

CHROMA_BOUND = 1.5 / 255
"""The bound of a mask's change of colour: more shows as a tint."""

CHROMA = {0: (1, 1), 1: (1, 2), 2: (2, 2)}  # rows and columns that share a chroma sample, by Pillow's number for it


class Perturbation(Protocol):
    """What is added to the faces of one run.

    Attributes:
        name: the identity whose noise is added; None where there is none.
        epsilon: the bound of all changes, in [0, 1].
    """

    @property
    def name(self) -> str | None: ...

    @property
    def epsilon(self) -> float: ...

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """(3, S, S) on the canvas of ``faces.align.fit_canvas``, |δ| ≤ ε; ``digest`` is the photo file's SHA-256."""

    def measure_distances(self, written: Written, faces: Sequence[Face]) -> dict[str, float] | None:
        """The least distance between ``faces`` in the ``written`` file and the person's clean photos, by recogniser.

        For all recognisers at hand, those that no mask was made against too. None where no mask was made.
        """

    def find_matches(self, distances: Mapping[str, float]) -> tuple[str, ...]:
        """The recognisers for which one of ``distances`` is that of a match."""


@dataclass(frozen=True)
class IdentityNoise:
    """Against training (Eq. 2): the identity's noise, the same pattern in every photo, as strong as ``look`` says."""

    identity: Identity
    look: Look = "balanced"

    @property
    def name(self) -> str | None:
        return self.identity.name

    @property
    def epsilon(self) -> float:
        return self.identity.epsilon

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """See :class:`Perturbation`."""
        canvas = align(photo.rgb8(), face).image
        return adjust(self.identity.delta, canvas, self.look, Budget(self.epsilon))

    def measure_distances(self, written: Written, faces: Sequence[Face]) -> dict[str, float] | None:
        """See :class:`Perturbation`."""
        return None

    def find_matches(self, distances: Mapping[str, float]) -> tuple[str, ...]:
        """See :class:`Perturbation`."""
        return ()


@dataclass(frozen=True)
class PhotoMasks:
    """Against search: a mask for each photo (``noise.mask``), together with ``identity``'s noise where there is one.

    Attributes:
        ensemble: the recognisers that masks are made against, with the person's features.
        witnesses: the other recognisers at hand, which only tell whether they still know the person.
        secret: decides, with a photo's digest, which other person a mask leads to.
        options: ε, and the format that a mask must survive.
        pattern_loss: what keeps the noise of ``identity`` in the photo.
    """

    ensemble: Sequence[FeatureSurrogate]
    witnesses: Sequence[FeatureSurrogate]
    secret: str
    options: Options
    device: torch.device
    identity: Identity | None = None
    pattern_loss: PatternLoss | None = None

    @property
    def name(self) -> str | None:
        return self.identity.name if self.identity else None

    @property
    def epsilon(self) -> float:
        return self.options.epsilon

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """See :class:`Perturbation`."""
        rng = generator(self.secret, "mask", digest, *face.box.round(1).tolist())
        pixels = from_rgb(photo.rgb8()).to(self.device)
        view = build_face_view(pixels, face, photo.grey, find_codec(photo, self.options))
        first = None if self.identity is None else self.identity.delta
        losses = [surrogate.feature_loss(view, rng) for surrogate in self.ensemble]
        chroma = min(CHROMA_BOUND, self.epsilon / 2)
        budget = Budget(self.epsilon, chroma=chroma)
        return mask(view, losses, budget, rng, first=first, pattern_loss=self.pattern_loss).cpu()

    def measure_distances(self, written: Written, faces: Sequence[Face]) -> dict[str, float] | None:
        """See :class:`Perturbation`."""
        rgb, found = written.photo.rgb8(), {}
        for surrogate in (*self.ensemble, *self.witnesses):
            masked = surrogate.features(torch.stack([cut(rgb, face, surrogate.spec).image for face in faces]))
            found[surrogate.name] = float(torch.cdist(masked, surrogate.person).min())
        return found

    def find_matches(self, distances: Mapping[str, float]) -> tuple[str, ...]:
        """See :class:`Perturbation`."""
        return tuple(name for name, far in distances.items() if far < self.limits.get(name, 0))

    @cached_property
    def limits(self) -> dict[str, float]:
        """The distance of a match, by the recogniser's name; none is known of the user's own."""
        names = (surrogate.name for surrogate in (*self.ensemble, *self.witnesses))
        return {name: load_limit(PRETRAINED[name].sha256) for name in names if name in PRETRAINED}


def build_face_view(pixels: Tensor, face: Face, grey: bool = False, codec: Codec | None = None) -> FaceView:
    """``face`` of ``pixels`` (1, 3, H, W) float32 in [0, 1] as a mask is optimised on it."""
    box = round_box(face, pixels.shape[-1], pixels.shape[-2])
    return FaceView(pixels, fit_canvas(face), face.landmarks, box, grey, codec)


def find_codec(photo: Photo, options: Options) -> Codec | None:
    """The codec that will write ``photo``; None where that is not JPEG, or JPEG of other channels than YCbCr.

    A photo that is turned by its EXIF counts as stored upright, although its blocks may lie elsewhere.
    """
    original = photo.details if photo.format == "JPEG" else {}
    if original.get("keep_rgb") or choose_format(photo, options.format) != "JPEG":
        return None
    if options.quality == "same" and original.get("qtables"):
        first, last = original["qtables"][0], original["qtables"][-1]
        steps = torch.tensor([[first, last]], dtype=torch.float32).reshape(1, 2, 8, 8)
    else:
        steps = build_tables(torch.tensor([float(JPEG_QUALITY if options.quality == "same" else options.quality)]))
    return Codec(steps, CHROMA[original.get("subsampling", 0)])
