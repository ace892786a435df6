"""The one step loop: signed gradient steps on δ inside a budget (Eq. 3). Minimising and maximising differ by a sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor

from faceshield.core.budget import Budget

Loss = Callable[[Tensor], Tensor]
Transform = Callable[[Tensor, Generator], Tensor]
Shape = Callable[[Tensor], Tensor]
Sign = Literal[-1, 1]


def step(
    images: Tensor,
    delta: Tensor,
    loss: Loss,
    budget: Budget,
    *,
    alpha: float,
    sign: Sign,
    transform: Transform | None = None,
    generator: Generator | None = None,
    shape: Shape | None = None,
    in_range: bool = True,
) -> tuple[Tensor, Tensor]:
    """One step of size ``alpha`` from ``delta``: the new δ, and ``loss`` at the old one (detached).

    images (N, 3, H, W) RGB in [0, 1]; delta (N, 3, H, W), or (1, 3, H, W) to share one δ by all of ``images`` (its
    gradient is then their sum). ``loss`` maps the transformed batch to the examples' losses (N,), or to their sum;
    ``sign`` −1 minimises it (error-min), +1 maximises it (error-max). ``transform`` is drawn once from
    ``generator``; ``shape`` is a further constraint on δ, applied before the budget's projection. Only δ gets a
    gradient: the caller freezes the network's parameters and picks its batch-norm mode. An example's δ is kept such
    that images + δ stays in [0, 1]; a shared δ is clamped in the forward pass only, and so is any other one without
    ``in_range``.
    """
    shared = len(delta) != len(images)
    moved = images + delta
    batch = moved.clamp(0, 1).requires_grad_(True)
    seen = batch
    if transform is not None:
        assert generator is not None, "a random transform needs a generator"
        seen = transform(batch, generator)
    losses = loss(seen)
    (gradient,) = torch.autograd.grad(losses.sum(), batch)
    # through the clamp: releases of torch differ at exactly 0 and 1, where a pixel must still be able to come back
    gradient = gradient * ((moved >= 0) & (moved <= 1))
    if shared:
        gradient = gradient.sum(0, keepdim=True)
    delta = delta + sign * budget.step(gradient, alpha)
    delta = budget.project(delta if shape is None else shape(delta))
    if in_range and not shared:
        delta = (images + delta).clamp_(0, 1).sub_(images)
    return delta, losses.detach()


def pgd(
    images: Tensor,
    delta: Tensor,
    loss: Loss,
    budget: Budget,
    *,
    steps: int,
    alpha: float,
    sign: Sign,
    transform: Transform | None = None,
    generator: Generator | None = None,
    shape: Shape | None = None,
) -> Tensor:
    """``steps`` times :func:`step` from ``delta``; returns the new δ. A transform is drawn anew for each step."""
    delta = delta.detach().clone()
    for _ in range(steps):
        delta, _ = step(
            images, delta, loss, budget, alpha=alpha, sign=sign, transform=transform, generator=generator, shape=shape
        )
    return delta
