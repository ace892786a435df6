"""Orthogonal projection (Sandoval-Segura et al. 2023): what a linear classifier learns first is taken out.

Class-wise noise is the most predictive linear feature of its pictures, so a few epochs of a linear classifier find it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.attacks.base import Pairs, map_in_parts
from faceshield.data.examples import Examples


def project_out(training: Examples, pairs: Pairs, generator: Generator) -> Examples:
    """``training`` without the directions that a linear classifier of its labels uses."""
    weights = fit_linear(training.images, training.labels, len(training.classes), generator)
    return replace(training, images=remove_span(training.images, weights))


def fit_linear(
    images: Tensor, labels: Tensor, classes: int, generator: Generator, *, epochs: int = 20, lr: float = 0.1
) -> Tensor:
    """(classes, D) weights of a classifier of the flattened ``images`` (N, …) uint8, by SGD (momentum 0.9) from 0."""
    weights = torch.zeros(classes, images[0].numel(), device=images.device, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=lr, momentum=0.9)
    mean = images.float().mean(0).flatten() / 255
    for _ in range(epochs):
        for index in torch.randperm(len(images), generator=generator).to(images.device).split(128):
            batch = images[index].flatten(1).float() / 255 - mean
            optimizer.zero_grad()
            F.cross_entropy(batch @ weights.T / len(mean) ** 0.5, labels[index]).backward()
            optimizer.step()
    return weights.detach()


def remove_span(images: Tensor, weights: Tensor) -> Tensor:
    """``images`` (N, 3, H, W) uint8 less their part in the span of ``weights`` (K, D), about their mean picture."""
    basis = torch.linalg.qr(weights.T).Q
    mean = images.float().mean(0).flatten() / 255

    def remove(part: Tensor) -> Tensor:
        flat = part.flatten(1) - mean
        rest: Tensor = flat - flat @ basis @ basis.T + mean
        return rest.view(part.shape)

    return map_in_parts(remove, images)
