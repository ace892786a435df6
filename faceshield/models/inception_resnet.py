"""Inception-ResNet-v1 as facenet-pytorch has it (Szegedy et al., 2016): the recogniser of the paper's §4.5."""

from __future__ import annotations

from typing import Any, Literal, get_args

from torch import Tensor, nn

from faceshield.core.errors import UsageError
from faceshield.models.margin import CosineHead

Head = Literal["linear", "margin"]

CHANNELS = 512
SMALLEST = 75  # px: below, the last reduction has nothing left to look at


class InceptionResnetV1(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] → (N, classes) logits; :meth:`features` gives the (N, 512) embedding.

    H and W from 75 up (published: 160). ``head`` "linear", or "margin" for a
    :class:`faceshield.models.margin.CosineHead`. There is no dropout: it would draw from torch's global state, so that
    neither a seed nor a checkpoint would decide a run.
    """

    def __init__(self, classes: int, *, head: Head = "linear") -> None:
        super().__init__()
        from facenet_pytorch import InceptionResnetV1 as Facenet  # seconds that only this network should pay

        if head not in get_args(Head):
            raise UsageError(f"head {head!r} is unknown; use {' or '.join(get_args(Head))}")
        trunk: Any = Facenet(dropout_prob=0.0)
        trunk.classify, trunk.logits = True, nn.Identity()  # the embedding before it is brought to unit length
        self.trunk = trunk
        self.head: nn.Module = nn.Linear(CHANNELS, classes) if head == "linear" else CosineHead(CHANNELS, classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, 512): the embedding is its direction. Raises UsageError for pictures that are too small."""
        if min(x.shape[2:]) < SMALLEST:
            raise UsageError(
                f"pictures of {x.shape[3]}×{x.shape[2]} pixels are too small for Inception-ResNet-v1; use {SMALLEST}"
                " or more"
            )
        out: Tensor = self.trunk((x * 255 - 127.5) / 128)
        return out

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
