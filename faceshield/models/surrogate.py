"""The surrogate of the identity noise: a network and a linear classifier that look at the same faces.

What a recogniser learns first is what a linear classifier can tell. Noise that only a trained network tells apart is
learned late, after the face; so the noise has to satisfy both.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from faceshield.models.resnet import resnet18


class LinearClassifier(nn.Module):
    """(N, 3, S, S) RGB in [0, 1] → (N, classes) logits, linear in the picture reduced to ``side``² by area means."""

    def __init__(self, classes: int, side: int = 32) -> None:
        super().__init__()
        self.side = side
        self.head = nn.Linear(3 * side * side, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(((F.interpolate(x, (self.side, self.side), mode="area") - 0.5) * 4).flatten(1))
        return logits


class Surrogate(nn.Module):
    """The sum of both classifiers' log probabilities: low where either is unsure. (N, 3, S, S) → (N, classes)."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.network: nn.Module = resnet18(classes, width=width, stem="stride2")
        self.linear = LinearClassifier(classes)

    def forward(self, x: Tensor) -> Tensor:
        network: Tensor = self.network(x).float().log_softmax(1)
        linear: Tensor = self.linear(x).float().log_softmax(1)
        return network + linear
