"""The head of an angular-margin recogniser (ArcFace, Deng et al., 2019): logits are scaled cosines to class centres."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceshield.core.errors import UsageError

SCALE = 64.0
MARGIN = 0.5  # radians


class CosineHead(nn.Module):
    """(N, channels) features → (N, classes) logits ``scale``·cos θ, θ the angle to the class's centre.

    Lengths say nothing: the direction of a feature is the embedding that is trained.
    """

    def __init__(self, channels: int, classes: int, *, scale: float = SCALE) -> None:
        super().__init__()
        if not scale > 0:
            raise UsageError(f"scale {scale} of the cosines must be above 0, for example {SCALE:g}")
        self.scale = scale
        self.centres = nn.Parameter(torch.empty(classes, channels))
        nn.init.normal_(self.centres, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = F.linear(F.normalize(features), F.normalize(self.centres)) * self.scale
        return logits


def add_margin(logits: Tensor, labels: Tensor, *, scale: float = SCALE, margin: float = MARGIN) -> Tensor:
    """The logits of a :class:`CosineHead` made harder: scale·cos(θ + margin) for each example's own class.

    logits (N, classes) float · labels (N,) int64. Where θ + margin would pass π, cos(θ + margin) rises again; there it
    is replaced by cos θ − margin·sin margin, which goes on falling. Raises UsageError for a margin outside [0, π/2).
    """
    if not 0 <= margin < math.pi / 2:
        raise UsageError(f"margin {margin} is an angle in radians from 0 to below {math.pi / 2:.2f}, such as {MARGIN}")
    target = labels[:, None]
    # a hair inside ±1: the root's slope is infinite there
    cosine = (logits.gather(1, target) / scale).clamp(-1 + 1e-6, 1 - 1e-6)
    shifted = cosine * math.cos(margin) - (1 - cosine.square()).sqrt() * math.sin(margin)
    harder = torch.where(cosine > math.cos(math.pi - margin), shifted, cosine - margin * math.sin(margin))
    return logits.scatter(1, target, harder * scale)
