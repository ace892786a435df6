"""Perturbation-induced linearization (PIL): error-minimizing noise of a linear surrogate (ICLR 2026).

What is linear in a picture is taken away, and what is linear in δ tells the class instead, so that a network that
learns from both learns a linear function of δ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import generator
from faceshield.core.types import Form, Noise
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound, find_misclassified
from faceshield.noise.pgd import Loss, pgd


@dataclass(frozen=True)
class Linearization:
    """x′ = x + δ: ``steps`` signed steps of ``alpha`` down (1 − w)·CE(f(−δ), y) + w·KL(f(x + δ) ‖ uniform).

    (The paper writes x′ = x − δ, of the opposite δ.) f is linear and has no constant, f(x) = W₂W₁x of pictures in
    [0, 1], fitted to the clean pictures for ``epochs`` by SGD with momentum 0.9. In the form "class" δ takes the sign
    of the gradient summed over the class.

    Steps, α = ε/10, w and the epochs are the paper's; ``hidden`` (the rows of W₁), ``lr`` and ``batch`` are ours. So is
    ``augment``: f is fitted under a random crop and flip, or else it finds, in few pictures, patterns so fine that
    whoever trains on shifted pictures does not see them. Costs seconds for 10,000 pictures of 32 pixels: W₂W₁ has as
    many rows as there are classes.
    """

    form: Form = "sample"
    budget: Budget = field(default_factory=Budget)
    steps: int = 30
    alpha: float = 8 / 2550  # ε / 10
    uniform: float = 0.1  # w
    epochs: int = 30
    hidden: int = 64
    lr: float = 0.01
    batch: int = 128
    augment: bool = True

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by class names or example ids. Of ``learner`` the device alone is used: f takes its place.

        ``provenance["errors"]`` holds the share of pictures x + δ that f takes for another class.
        """
        data = data.sort()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        weights = self.fit_surrogate(images, labels, len(data.classes), generator(seed, "pil"))
        if self.form == "sample":
            parts = [
                self._descend(images[index], labels[index], weights) for index in torch.arange(len(images)).split(1024)
            ]
            delta = torch.cat(parts)
        else:
            delta = torch.zeros(len(data.classes), *images.shape[1:], device=learner.device)
            for label in labels.unique().tolist():
                members = labels == label
                delta[label] = self._descend(images[members], labels[members], weights, shared=True)[0]
        own = delta if self.form == "sample" else delta[labels]
        wrong = find_misclassified(
            torch.arange(len(labels), device=labels.device), labels,
            lambda index: images[index].float() / 255 + own[index], lambda x: x.flatten(1) @ weights.T, 1024,
        )  # fmt: skip
        error = float(wrong.float().mean())
        if on_round is not None:
            on_round(0, error, delta)
        keys = data.classes if self.form == "class" else data.ids
        return Noise(delta.cpu(), self.form, keys, self.budget, {"method": "pil", "errors": [error]})

    def fit_surrogate(self, images: Tensor, labels: Tensor, classes: int, rng: Generator) -> Tensor:
        """W₂W₁ (``classes``, D) of ``images`` (n, 3, H, W) uint8 and ``labels`` (n,)."""
        size = images[0].numel()
        first, second = (
            (torch.randn(rows, columns, generator=rng) / columns**0.5).to(images.device).requires_grad_()
            for rows, columns in ((self.hidden, size), (classes, self.hidden))
        )
        optimizer = torch.optim.SGD([first, second], lr=self.lr, momentum=0.9)
        for _ in range(self.epochs):
            for index in torch.randperm(len(images), generator=rng).to(images.device).split(self.batch):
                batch = images[index].float() / 255
                batch = (crop_and_flip(batch, rng) if self.augment else batch).flatten(1)
                optimizer.zero_grad()
                F.cross_entropy(batch @ first.T @ second.T, labels[index]).backward()
                optimizer.step()
        product: Tensor = second @ first
        return product.detach()

    def _descend(self, images: Tensor, labels: Tensor, weights: Tensor, *, shared: bool = False) -> Tensor:
        """δ (n, 3, H, W) of ``images``, or with ``shared`` (1, 3, H, W), from 0."""
        x = images.float() / 255
        start = torch.zeros_like(x[:1] if shared else x)
        loss = linear_loss(x, labels, weights, self.uniform)
        return pgd(x, start, loss, self.budget, steps=self.steps, alpha=self.alpha, sign=-1)


def linear_loss(images: Tensor, labels: Tensor, weights: Tensor, uniform: float) -> Loss:
    """The loss of each x + δ (n, 3, H, W); f(−δ) is f(x) − f(x + δ), since f is linear. ``images`` in [0, 1]."""
    clean = images.flatten(1) @ weights.T

    def losses(moved: Tensor) -> Tensor:
        logits = moved.flatten(1) @ weights.T
        likely = torch.log_softmax(logits, 1)
        away = (likely.exp() * likely).sum(1)  # KL(f ‖ uniform) less the constant log K
        return (1 - uniform) * F.cross_entropy(clean - logits, labels, reduction="none") + uniform * away

    return losses
