"""Keep δ free of broad tints: slow changes of colour are what people see first at 8/255.

Fine colour and all brightness changes stay. Without this the cloak shows green and purple patches on hair and skin.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
SIGMA = 4.0


@lru_cache(maxsize=8)
def _blur(size: int, sigma: float) -> Tensor:
    """(size, size) Gaussian smoothing along one axis; rows sum to 1, also at the border."""
    place = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def untinted(delta: Tensor, sigma: float = SIGMA) -> Tensor:
    """δ (N, 3, S, S) RGB without its slowly varying colour; its luma (Rec. 601) is unchanged.

    Linear. ``sigma`` is the Gaussian's width in canvas pixels: colour that varies over fewer than about 4·sigma stays.
    The result may exceed a bound that δ kept: project afterwards.
    """
    luma = (delta * torch.tensor(LUMA, device=delta.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    colour = delta - luma
    blur = _blur(delta.shape[-1], sigma).to(delta)
    return delta - blur @ colour @ blur.T
