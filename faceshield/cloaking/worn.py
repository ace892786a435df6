"""What a person wears on their photos: one noise in all of them, or a mask made for each, with or without the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import generator
from faceshield.core.types import Face, Photo
from faceshield.evaluation.embed import combined, outputs
from faceshield.evaluation.strangers import load_strangers
from faceshield.faces.align import DLIB_150, align_150, canvas_matrix
from faceshield.imaging.warp import from_rgb
from faceshield.models.resnet29 import CHIP, ResNet29
from faceshield.noise.identity import Identity
from faceshield.noise.mask import Chip, Embed, Sight, Watcher, mask


class Worn(Protocol):
    """``name`` of the identity whose noise it holds (None: no noise), its ``epsilon``, and δ for a face."""

    @property
    def name(self) -> str | None: ...

    @property
    def epsilon(self) -> float: ...

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """(3, S, S) on the canvas of ``faces.align.canvas_matrix``, |δ| ≤ ε; ``digest`` is the photo file's SHA-256."""


@dataclass(frozen=True)
class OneNoise:
    """Against training (Eq. 2): the identity's noise, the same in every photo."""

    identity: Identity

    @property
    def name(self) -> str | None:
        return self.identity.name

    @property
    def epsilon(self) -> float:
        return self.identity.epsilon

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """See :class:`Worn`."""
        return self.identity.delta


@dataclass(frozen=True)
class Masks:
    """Against search: a mask for each photo (``noise.mask``), around ``identity``'s noise where there is one.

    network gives features in float32, ``forward`` the same in the precision that is fastest, for the steps
    own (K, 128): features of the person's clean photos · targets (m, 128): strangers, of whom each photo draws one by
    ``secret`` and its digest, so that a photo gets the same mask again
    """

    network: ResNet29
    forward: Embed
    own: Tensor
    targets: Tensor
    secret: str
    epsilon: float
    identity: Identity | None = None

    @property
    def name(self) -> str | None:
        return self.identity.name if self.identity else None

    def delta_of(self, photo: Photo, face: Face, digest: str) -> Tensor:
        """See :class:`Worn`."""
        rng = generator(self.secret, "mask", digest, *face.box.round(1).tolist())
        device = self.own.device
        rgb = photo.rgb8()
        here = features(align_150(rgb, face).image[None], self.network, device)
        target = self.targets[int(torch.randint(len(self.targets), (1,), generator=rng))]
        delta = mask(
            Sight(from_rgb(rgb).to(device), canvas_matrix(face), face.landmarks, grey=photo.grey),
            [Watcher(Chip(DLIB_150, CHIP), self.forward, torch.cat([self.own, here]), target)],
            Budget(self.epsilon),
            rng,
            base=None if self.identity is None else self.identity.delta,
        )
        return delta.cpu()


def masks(
    network: ResNet29,
    forward: Embed,
    chips: Tensor,
    epsilon: float,
    secret: str,
    device: torch.device,
    identity: Identity | None = None,
) -> Masks:
    """Masks for the person of ``chips`` (K, 3, 150, 150).

    Photos are sent to the half of the strangers who are least like the person: near ones leave a face nearer to its
    owner, and could be them.
    """
    own = features(chips, network, device)
    targets = load_strangers().targets.to(device)
    distance = (targets - own.mean(0)).norm(dim=1)
    targets = targets[distance > distance.median()]
    return Masks(network, forward, own, targets, secret, epsilon, identity)


def features(chips: Tensor, network: ResNet29, device: torch.device) -> Tensor:
    """(K, 128) on ``device``: each of ``chips`` (K, 3, 150, 150) and its mirror image, averaged."""
    return combined(outputs(chips.to(device), network), unit=False).to(device)
