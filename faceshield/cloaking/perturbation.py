"""What a person wears on their photos: one noise in all of them, or a mask made for each, with or without the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from faceshield.cloaking.ensemble import FeatureSurrogate
from faceshield.cloaking.options import Options
from faceshield.core.budget import Budget
from faceshield.core.rng import generator
from faceshield.core.types import Face, Photo
from faceshield.faces.align import align_150, fit_canvas, round_box
from faceshield.imaging.photo import JPEG_QUALITY, Encoded, decode, target_of
from faceshield.imaging.warp import from_rgb
from faceshield.noise.identity import Identity
from faceshield.noise.jpeg import Codec, build_tables
from faceshield.noise.mask import FaceView, mask

STEPS, STEPS_FOR_SEVERAL = 40, 60
CHROMA = {0: (1, 1), 1: (1, 2), 2: (2, 2)}  # rows and columns that share a sample, by Pillow's numbers of subsampling


class Perturbation(Protocol):
    """``name`` of the identity whose noise it holds (None: no noise), its ``epsilon``, and δ for a face."""

    @property
    def name(self) -> str | None: ...

    @property
    def epsilon(self) -> float: ...

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """(3, S, S) on the canvas of ``faces.align.fit_canvas``, |δ| ≤ ε; ``digest`` is the photo file's SHA-256."""

    def still_at(self, written: Encoded, photo: Photo, faces: Sequence[Face]) -> float | None:
        """How far, at least, ``faces`` of ``photo`` lie from the person's clean ones once they are ``written``, for
        the recogniser that was led away from them most; None where none was.
        """


@dataclass(frozen=True)
class IdentityNoise:
    """Against training (Eq. 2): the identity's noise, the same in every photo."""

    identity: Identity

    @property
    def name(self) -> str | None:
        return self.identity.name

    @property
    def epsilon(self) -> float:
        return self.identity.epsilon

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """See :class:`Perturbation`."""
        return self.identity.delta

    def still_at(self, written: Encoded, photo: Photo, faces: Sequence[Face]) -> float | None:
        """See :class:`Perturbation`."""
        return None


@dataclass(frozen=True)
class PhotoMasks:
    """Against search: a mask for each photo (``noise.mask``), around ``identity``'s noise where there is one.

    ``secret`` and a photo's digest decide whom it is sent to; what it comes to is decided by the person's other photos
    too, which ``opponents`` know, and by the format that ``options`` choose.
    """

    opponents: Sequence[FeatureSurrogate]
    secret: str
    options: Options
    device: torch.device
    identity: Identity | None = None

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
        sight = build_face_view(pixels, face, photo.grey, find_codec(photo, self.options))
        base = None if self.identity is None else self.identity.delta
        watchers = [opponent.feature_loss(sight, rng) for opponent in self.opponents]
        steps = STEPS if len(watchers) == 1 else STEPS_FOR_SEVERAL
        return mask(sight, watchers, Budget(self.epsilon), rng, base=base, steps=steps).cpu()

    def still_at(self, written: Encoded, photo: Photo, faces: Sequence[Face]) -> float | None:
        """See :class:`Perturbation`."""
        first, after, before = self.opponents[0], decode(written.data, photo.path).rgb8(), photo.rgb8()
        masked, clean = (
            first.features(torch.stack([align_150(rgb, face).image for face in faces])) for rgb in (after, before)
        )
        return float(torch.cdist(masked, torch.cat([first.own, clean])).min())


def build_face_view(pixels: Tensor, face: Face, grey: bool = False, codec: Codec | None = None) -> FaceView:
    """``face`` of ``pixels`` (1, 3, H, W) for a mask."""
    box = round_box(face, pixels.shape[-1], pixels.shape[-2])
    return FaceView(pixels, fit_canvas(face), face.landmarks, box, grey, codec)


def find_codec(photo: Photo, options: Options) -> Codec | None:
    """The codec that will write ``photo``; None where that is not JPEG, or JPEG of other channels than YCbCr.

    A photo that is turned by its EXIF is taken as if it were stored upright: its blocks may lie elsewhere.
    """
    own = photo.details if photo.format == "JPEG" else {}
    if own.get("keep_rgb") or target_of(photo, options.format) != "JPEG":
        return None
    if options.quality == "same" and own.get("qtables"):
        first, last = own["qtables"][0], own["qtables"][-1]
        steps = torch.tensor([[first, last]], dtype=torch.float32).reshape(1, 2, 8, 8)
    else:
        steps = build_tables(torch.tensor([float(JPEG_QUALITY if options.quality == "same" else options.quality)]))
    return Codec(steps, CHROMA[own.get("subsampling", 0)])
