"""Class-wise error-minimizing noise: Algorithm 1 of the paper, the min-min problem of Eq. 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from faceshield.core.budget import Budget
from faceshield.core.types import Noise
from faceshield.noise.pgd import Shape, View, pgd

FitStep = Callable[[Tensor, Tensor], None]
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ErrorMin:
    """Algorithm 1, class-wise: M steps of θ, one pass of T signed steps of δ, until the error falls under λ.

    The δ pass: for a batch, every example takes ``steps`` steps of size ``alpha`` from its class's δ, and the class's
    δ becomes the mean of its examples' results; the next batch starts from there. A class absent from a batch keeps
    its δ. θ is fitted in train mode by the caller's ``fit``; δ and the error are computed with θ frozen, in eval mode.
    """

    budget: Budget
    fit_steps: int = 10  # M
    steps: int = 1  # T
    alpha: float = 8 / 2550  # ε / 10
    stop_error: float = 0.1  # λ
    rounds: int = 200
    batch: int = 128
    shape: Shape | None = None  # a further constraint on δ, see noise.smooth
    subset: float = 0.2  # share of the examples in each δ pass; the paper uses 20 % for class-wise noise

    def generate(
        self,
        images: Tensor,
        labels: Tensor,
        classes: Sequence[str],
        surrogate: nn.Module,
        *,
        fit: FitStep,
        forward: Forward,
        view: View,
        generator: Generator,
        on_round: Callable[[int, float, Tensor], None] | None = None,
    ) -> Noise:
        """Noise with one δ for each of ``classes``.

        images (n, 3, H, W) uint8 RGB; labels (n,) int64 into ``classes``. ``fit(batch, labels)`` makes one optimiser
        step on float images in [0, 1]; ``forward`` gives the surrogate's logits (with whatever autocast the hardware
        wants). ``on_round(round, error, δ)`` hears of each round. Stops at ``stop_error`` or after ``rounds``.
        """
        device = labels.device
        delta = torch.zeros(len(classes), *images.shape[1:], device=device)
        errors: list[float] = []
        order = _endless(len(images), self.batch, generator)
        for number in range(self.rounds):
            surrogate.train()
            for _ in range(self.fit_steps):
                index = next(order).to(device)
                fit(view(_noisy(images[index], delta[labels[index]]), generator), labels[index])
            surrogate.eval()
            surrogate.requires_grad_(False)
            subset = torch.randperm(len(images), generator=generator)[: max(1, round(self.subset * len(images)))]
            for index in subset.split(self.batch):
                delta = self._pass(images[index], labels[index], delta, forward, view, generator)
            errors.append(self._error(images[subset], labels[subset], delta, forward, view, generator))
            surrogate.requires_grad_(True)
            if on_round is not None:
                on_round(number, errors[-1], delta)
            if errors[-1] <= self.stop_error:
                break
        surrogate.eval()
        provenance: dict[str, Any] = {"method": "error-min", "errors": errors, "stop_error": self.stop_error}
        return Noise(delta, "class", tuple(classes), self.budget, provenance)

    def _pass(
        self, images: Tensor, labels: Tensor, delta: Tensor, forward: Forward, view: View, generator: Generator
    ) -> Tensor:
        own = pgd(
            images.float() / 255,
            delta[labels],
            lambda batch: F.cross_entropy(forward(batch), labels, reduction="sum"),
            self.budget,
            steps=self.steps,
            alpha=self.alpha,
            sign=-1,
            view=view,
            generator=generator,
            shape=self.shape,
        )
        total = torch.zeros_like(delta).index_add_(0, labels, own)
        count = torch.bincount(labels, minlength=len(delta)).view(-1, 1, 1, 1)
        return torch.where(count > 0, total / count.clamp_min(1), delta)

    @torch.no_grad()
    def _error(
        self, images: Tensor, labels: Tensor, delta: Tensor, forward: Forward, view: View, generator: Generator
    ) -> float:
        wrong = torch.zeros((), device=labels.device)
        for index in torch.arange(len(images)).split(self.batch):
            batch = view(_noisy(images[index], delta[labels[index]]), generator)
            wrong += (forward(batch).argmax(1) != labels[index]).sum()
        return float(wrong) / len(images)


def _noisy(images: Tensor, delta: Tensor) -> Tensor:
    return (images.float() / 255 + delta).clamp_(0, 1)


def _endless(count: int, batch: int, generator: Generator) -> Iterator[Tensor]:
    """Shuffled index batches for ever; the place is kept across rounds, as Algorithm 1's Next(x, y) asks."""
    while True:
        yield from torch.randperm(count, generator=generator).split(min(batch, count))
