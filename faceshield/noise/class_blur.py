"""Convolution-based unlearnable data (CUDA): a filter a class. For comparison only: it shows on a face.

Sadasivan, Soltanolkotabi and Feizi, "CUDA: Convolution-Based Unlearnable Datasets", CVPR 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound


@dataclass(frozen=True)
class ClassBlur:
    """x′ = (x ∗ s_y) / max(x ∗ s_y), s_y ``side`` × ``side``: 1 in the middle, the rest uniform in [0, ``blur``].

    One filter for the three channels of a class's pictures, 0 around them. δ = x′ − x is an example's own; the filter
    is in ``provenance["filters"]``. The paper's for CIFAR-10 are the defaults. The budget must be the whole range,
    ε = 1. Costs one convolution.
    """

    budget: Budget = field(default_factory=lambda: Budget(1.0))
    side: int = 3
    blur: float = 0.3

    def __post_init__(self) -> None:
        if self.side % 2 == 0 or self.side < 1:
            raise UsageError(f"side {self.side} has no middle; use an odd number, such as 3")

    def generate(
        self, data: Examples, learner: Learner | None = None, *, seed: int, on_round: OnRound | None = None
    ) -> Noise:
        """Noise keyed by example ids. ``learner`` and ``on_round`` are not used."""
        data = data.sort()
        rng = generator(seed, "cuda")
        filters = torch.rand(len(data.classes), self.side, self.side, generator=rng) * self.blur
        filters[:, self.side // 2, self.side // 2] = 1
        delta = torch.empty(data.images.shape)
        for label in data.labels.unique().tolist():
            x = data.images[data.labels == label].float() / 255
            kernel = filters[label].expand(3, 1, self.side, self.side)
            blurred = F.conv2d(x, kernel, padding=self.side // 2, groups=3)
            delta[data.labels == label] = blurred / blurred.amax((1, 2, 3), keepdim=True).clamp_min(1e-6) - x
        provenance = {"method": "cuda", "filters": filters.tolist()}
        return Noise(delta, "sample", data.ids, self.budget, provenance)
