"""The collector cuts faces out otherwise than the noise was made for: tighter, and off its middle."""

from __future__ import annotations

from torch import Tensor

from faceshield.attacks.base import in_parts
from faceshield.noise.transforms import resize


def recrop(pictures: Tensor, *, side: float = 0.84, across: float = 0.03, down: float = -0.03) -> Tensor:
    """pictures (N, 3, S, S) uint8: a square of ``side`` of theirs, its middle moved by shares of S, at size S again."""
    size = pictures.shape[-1]
    kept = round(side * size)
    x, y = (round((size - kept) / 2 + moved * size) for moved in (across, down))
    return in_parts(lambda part: resize(part[..., y : y + kept, x : x + kept], size), pictures)
