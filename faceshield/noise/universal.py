"""Class-wise error-maximizing noise (§4.1): a universal adversarial perturbation for each class.

After Moosavi-Dezfooli et al., "Universal adversarial perturbations" (CVPR 2017), Algorithm 1, with one δ a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Forward, Learner, OnRound, add_noise, find_misclassified
from faceshield.noise.deepfool import deepfool
from faceshield.noise.sweep import split_by_class


@dataclass(frozen=True)
class Universal:
    """Passes over ``subset`` of the examples; whoever is still classified correctly pushes its class's δ on.

    δ_y ← Π(δ_y + Δ) with Δ the DeepFool step from x + δ_y over the nearest boundary, until ``fooling`` of the subset
    are misclassified (the paper cited stops at 1 − δ = 0.8) or ``passes`` are over. Misclassified means: not taken for
    its label; examples that the clean network gets wrong count from the start.

    - ``update`` "sequential" (as published): one example of a class after the other; a batch holds one of each class.
    - "mean": in a batch of ``batch`` examples δ_y moves by the mean of its examples' steps. Fewer, fuller batches.
    """

    budget: Budget = field(default_factory=Budget)
    fooling: float = 0.8
    passes: int = 10
    subset: float = 0.2
    batch: int = 128
    update: Literal["mean", "sequential"] = "sequential"
    steps: int = 10  # of DeepFool, as in the released code of the paper cited; so are the next two
    candidates: int = 10
    overshoot: float = 0.02

    def __post_init__(self) -> None:
        if self.update not in ("mean", "sequential"):
            raise UsageError(f"update {self.update!r} is unknown; use 'mean' or 'sequential'")
        if self.candidates < 2:
            raise UsageError(f"candidates {self.candidates} must be 2 at least: the label and another class")

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by class names. ``learner``'s network has been trained already, and is not fitted any further.

        ``on_round(pass, fooling rate, δ)`` follows each pass; ``provenance["errors"]`` holds the fooling rates.
        """
        data = data.sort()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        rng = generator(seed, "error-max", "class")
        count = max(1, round(self.subset * len(images)))
        chosen = torch.randperm(len(images), generator=rng)[:count].to(labels.device)
        delta = torch.zeros(len(data.classes), *images.shape[1:], device=learner.device)
        rates: list[float] = []
        forward = learner.frozen()

        def find_fooled(index: Tensor) -> Tensor:
            add = lambda part: add_noise(images[part], delta[labels[part]])  # noqa: E731
            return find_misclassified(index, labels, add, forward, 4 * self.batch)

        while len(rates) < self.passes and not (rates and rates[-1] >= self.fooling):
            order = chosen[torch.randperm(count, generator=rng).to(labels.device)]
            batches = split_by_class(order, labels) if self.update == "sequential" else order.split(self.batch)
            for batch in batches:
                active = batch[~find_fooled(batch)]
                if len(active):
                    self._push(images[active], labels[active], delta, forward)
            rates.append(float(find_fooled(chosen).float().mean()))
            if on_round is not None:
                on_round(len(rates) - 1, rates[-1], delta)
        provenance = {"method": "error-max", "errors": rates, "fooling": self.fooling}
        return Noise(delta.cpu(), "class", data.classes, self.budget, provenance)

    def _push(self, images: Tensor, labels: Tensor, delta: Tensor, forward: Forward) -> None:
        """Move the classes of ``labels`` in ``delta``, in place, by the mean of their examples' DeepFool steps."""
        move = deepfool(
            add_noise(images, delta[labels]), labels, forward,
            steps=self.steps, candidates=self.candidates, overshoot=self.overshoot,
        )  # fmt: skip
        total = torch.zeros_like(delta).index_add_(0, labels, move)
        count = torch.bincount(labels, minlength=len(delta)).clamp_min(1).view(-1, 1, 1, 1)
        delta.copy_(self.budget.project(delta + total / count))
