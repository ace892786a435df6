"""Noise for one batch and a model of the caller's: Eq. 3 of the paper, without data sets or files."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.models.frozen import freeze
from faceshield.noise.pgd import Sign, pgd

Batch = TypeVar("Batch", Tensor, NDArray[np.float32])


def error_min(
    model: nn.Module, x: Batch, y: object, *, eps: float = 8 / 255, steps: int = 20, alpha: float | None = None
) -> Batch:
    """δ that makes ``model`` surer of ``y`` on ``x + δ``: the inner minimisation of Eq. 2 by signed steps (Eq. 3).

    model  maps float images in [0, 1] to logits (N, K); it is run in eval mode and left as it was
    x      (N, 3, H, W) float RGB in [0, 1], a tensor or an array; stays where it is
    y      (N,) whole numbers below K, a tensor, an array or a list
    alpha  step size, by default ``eps`` / 10 as in the paper

    Returns δ (N, 3, H, W) of the kind of ``x`` (tensor on its device, or array), ‖δ‖∞ ≤ ``eps``, x + δ in [0, 1].
    Raises UsageError for pixels outside [0, 1], another shape or type, labels that do not fit, ``eps`` outside (0, 1]
    and ``steps`` below 1.
    """
    return _perturb(model, x, y, eps, steps, alpha, -1)


def error_max(
    model: nn.Module, x: Batch, y: object, *, eps: float = 8 / 255, steps: int = 20, alpha: float | None = None
) -> Batch:
    """δ that makes ``model`` err on ``x + δ``: PGD (Madry et al. 2018), from δ = 0. See :func:`error_min`."""
    return _perturb(model, x, y, eps, steps, alpha, 1)


def _perturb(model: nn.Module, x: Batch, y: object, eps: float, steps: int, alpha: float | None, sign: Sign) -> Batch:
    budget = Budget(eps)
    if steps < 1:
        raise UsageError(f"steps {steps} changes nothing; use 1 or more")
    images = torch.as_tensor(x)
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise UsageError(f"x is {tuple(images.shape)} {images.dtype}; expected float RGB images (N, 3, H, W) in [0, 1]")
    if len(images) and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise UsageError(f"x reaches from {images.min():g} to {images.max():g}; bring it to [0, 1]")
    labels = torch.as_tensor(y, device=images.device)
    if labels.shape != images.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise UsageError(
            f"y is {tuple(labels.shape)} {labels.dtype}; expected one whole number for each of {len(images)}"
        )
    labels = labels.long()

    def losses(batch: Tensor) -> Tensor:
        logits = model(batch)
        if int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
            raise UsageError(f"y holds labels up to {int(labels.max())}; the model has {logits.shape[1]} classes")
        return F.cross_entropy(logits.float(), labels, reduction="none")

    if not len(images):
        return x
    with freeze(model), torch.enable_grad():
        start = images.float()
        delta = pgd(
            start, torch.zeros_like(start), losses, budget, steps=steps, alpha=eps / 10 if alpha is None else alpha,
            sign=sign,
        )  # fmt: skip
    delta = delta.to(images.dtype)
    return delta if isinstance(x, Tensor) else delta.cpu().numpy()
