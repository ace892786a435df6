"""Mixup and CutMix: each picture of a batch mixed with another one, and its label with it (Table 3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.errors import UsageError
from faceshield.data.augment import draw_window, to_device

Mix = Callable[[Tensor, Tensor, int, Generator], tuple[Tensor, Tensor]]
"""``mix(images, labels, classes, generator)``: float pictures and int64 labels to pictures and labels (N, K) float."""


def mixup(
    images: Tensor, labels: Tensor, classes: int, generator: Generator, *, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018): λ·x + (1 − λ)·x′ and the same of the labels, λ ~ Beta(α, α) for each picture.

    images (N, 3, H, W) float; labels (N,) int64 below ``classes``. Returns images of that shape and labels
    (N, classes) float that sum to 1. x′ is another picture of the batch. Raises UsageError for an α of 0 or below.
    """
    weight = _draw_weights(len(images), alpha, generator).to(images)
    partner = to_device(torch.randperm(len(images), generator=generator), images.device)
    factor = weight.view(-1, 1, 1, 1)
    return factor * images + (1 - factor) * images[partner], _mix_labels(labels, partner, weight, classes)


def cutmix(
    images: Tensor, labels: Tensor, classes: int, generator: Generator, *, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """CutMix (Yun et al. 2019): a box of another picture, of 1 − λ of the area, is pasted in; λ ~ Beta(α, α) for each.

    Shapes as :func:`mixup`'s. The labels are mixed by the share of pixels that are really left, so a box cut at the
    edge counts for less. Raises UsageError for an α of 0 or below.
    """
    height, width = images.shape[2:]
    side = (1 - _draw_weights(len(images), alpha, generator).to(images)).sqrt()
    partner = to_device(torch.randperm(len(images), generator=generator), images.device)
    box = draw_window(images, side * height, side * width, generator)
    weight = 1 - box.to(images.dtype).mean(dim=(1, 2, 3))
    return torch.where(box, images[partner], images), _mix_labels(labels, partner, weight, classes)


def _draw_weights(count: int, alpha: float, generator: Generator) -> Tensor:
    """(count,) float64 from Beta(α, α); torch.distributions would draw from the global generator."""
    if not alpha > 0:
        raise UsageError(f"alpha {alpha} must be above 0, for example 1.0")
    left, right = torch._standard_gamma(torch.full((2, count), alpha, dtype=torch.float64), generator=generator)
    shares: Tensor = left / (left + right)
    return shares


def _mix_labels(labels: Tensor, partner: Tensor, weight: Tensor, classes: int) -> Tensor:
    """(N, classes): ``weight`` of each label, the rest of its partner's."""
    hot = F.one_hot(labels, classes).to(weight.dtype)
    return weight[:, None] * hot + (1 - weight[:, None]) * hot[partner]
