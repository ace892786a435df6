"""An example of another package: a noise method, a counter-measure and a recogniser that faceshield finds by name.

Its entry points stand in ``extra_shield-1.0.dist-info``, as an installer leaves them. In a package's source they are

    [project.entry-points."faceshield.noise"]
    constant = "extra_shield:build_constant"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceshield.attacks.base import Countermeasure
from faceshield.core.budget import Budget
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.imaging.crop import TEMPLATE_112, CropSpec
from faceshield.models.embedder import Embedder
from faceshield.models.pretrained import Pretrained
from faceshield.noise.base import Learner, OnRound


@dataclass(frozen=True)
class Constant:
    """Every value is ``share`` of ε."""

    budget: Budget
    share: float = 1.0

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        delta = torch.full((len(data.classes), *data.images.shape[1:]), self.share * self.budget.epsilon)
        return Noise(delta, "class", data.classes, self.budget)


def build_constant(form: Form, budget: Budget, settings: dict[str, Any]) -> Constant:
    return Constant(budget, **settings)


darker = Countermeasure("half as bright", pictures=lambda pictures: pictures // 2)


class MeanColour(Embedder):
    """The mean colour of the face."""

    width = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def build_mean_colour(tensors: Mapping[str, Tensor]) -> Embedder:
    return MeanColour().eval()


mean_colour = Pretrained(
    "mean colour",
    "mean-colour",
    build_mean_colour,
    CropSpec(TEMPLATE_112, 112),
    "MTCNN's five points on the field's 112-pixel crop",
    path=Path(os.environ.get("EXTRA_SHIELD", "mean-colour.safetensors")),
)
broken = "no counter-measure"
