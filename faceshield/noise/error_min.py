"""Error-minimizing noise: Algorithm 1 of the paper, the min-min problem of Eq. 2, in both forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import generator
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound, frozen, noisy
from faceshield.noise.pgd import Shape, View, step
from faceshield.noise.progress import Order, Saved
from faceshield.noise.sweep import sweep


@dataclass(frozen=True)
class ErrorMin:
    """M steps of θ on the noisy pictures, then one pass of T signed steps of δ, until the error falls under λ.

    ``form`` "sample": every example has its own δ and takes T steps in each pass. "class": one δ a class, found on
    ``subset`` of the examples, in one of two ways.

    - ``update`` "mean" (as in the released code): in a batch each example takes T steps from its class's δ, and the
      class's δ becomes the mean of its examples' results; the next batch starts from there. A class absent from a batch
      keeps its δ.
    - "sequential" (Algorithm 1 to the letter): one example after the other steps from where the last one of its class
      left δ. Classes do not touch each other, so a batch holds one example of each.

    θ is fitted in train mode; δ and the error are computed with θ frozen, in eval mode. The defaults are the paper's
    for class-wise noise on CIFAR-10; for sample-wise noise see :meth:`sample_wise`.
    """

    form: Form = "class"
    budget: Budget = field(default_factory=Budget)
    fit_steps: int = 10  # M
    steps: int = 1  # T
    alpha: float = 8 / 2550  # ε / 10
    stop_error: float = 0.1  # λ
    rounds: int = 200
    batch: int = 128
    subset: float = 0.2  # share of the examples in a δ pass
    update: Literal["mean", "sequential"] = "mean"
    enough: float | None = None  # sample-wise: an example whose loss is no larger takes no more steps in a pass
    view: View | None = None
    shape: Shape | None = None  # a further constraint on δ, see noise.smooth
    shuffle: bool = True  # the released code fits θ on batches that are always the same
    checkpoint: Path | None = None  # written after every round; found again, the job goes on from there

    @staticmethod
    def sample_wise(**settings: Any) -> ErrorMin:
        """The paper's settings for sample-wise noise: T = 20, λ = 0.01, all examples in every pass."""
        return ErrorMin(**{"form": "sample", "steps": 20, "stop_error": 0.01, "subset": 1.0, **settings})

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by class names or example ids. ``learner``'s network is the surrogate θ, fitted on the way.

        Killed and called again with the same ``checkpoint``, it ends with the very bytes of an uninterrupted run.
        """
        data = data.sorted()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        keys = data.classes if self.form == "class" else data.ids
        owner = labels if self.form == "class" else torch.arange(len(labels), device=labels.device)
        rng = generator(seed, "error-min", self.form)
        order = Order(len(images), self.batch, rng, shuffle=self.shuffle)
        saved = Saved(self.checkpoint, {"method": repr(self), "seed": seed, "keys": keys}, learner, rng, order)
        delta = torch.zeros(len(keys), *images.shape[1:], device=labels.device)
        errors, taken = saved.found(delta)
        while len(errors) < self.rounds and not (errors and errors[-1] <= self.stop_error):
            learner.model.train()
            for _ in range(self.fit_steps):
                index = order.next().to(labels.device)
                learner.fit(self._seen(images[index], delta[owner[index]], rng), labels[index])
            with frozen(learner.model):
                count = max(1, round(self.subset * len(images)))
                chosen = torch.randperm(len(images), generator=rng)[:count].to(labels.device)
                taken += self._pass(images, labels, delta, chosen, learner, rng)
                errors.append(self._error(images, labels, delta, owner, chosen, learner, rng))
            saved.keep(delta, errors, taken)
            if on_round is not None:
                on_round(len(errors) - 1, errors[-1], delta)
        learner.model.eval()
        provenance = {"method": "error-min", "errors": errors, "stop_error": self.stop_error, "steps_taken": taken}
        return Noise(delta, self.form, keys, self.budget, provenance)

    def _seen(self, images: Tensor, delta: Tensor, rng: Generator) -> Tensor:
        batch = noisy(images, delta)
        return batch if self.view is None else self.view(batch, rng)

    def _pass(
        self, images: Tensor, labels: Tensor, delta: Tensor, chosen: Tensor, learner: Learner, rng: Generator
    ) -> int:
        """Change ``delta`` in place by the δ pass over the ``chosen`` examples; returns the number of steps taken."""

        def losses(batch: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(learner.forward(batch), target, reduction="none")

        settings: dict[str, Any] = {"alpha": self.alpha, "sign": -1, "view": self.view, "shape": self.shape}
        if self.form == "sample":
            everyone = len(chosen) == len(images)
            own = delta if everyone else delta[chosen]
            x, y = (images, labels) if everyone else (images[chosen], labels[chosen])
            taken = sweep(
                x, y, own, losses, self.budget,
                steps=self.steps, batch=self.batch, enough=self.enough, generator=rng, **settings,
            )  # fmt: skip
            if not everyone:
                delta[chosen] = own
            return taken
        for index in chosen.split(self.batch) if self.update == "mean" else _one_of_each(chosen, labels):
            x, target = images[index].float() / 255, labels[index]
            own = delta[target]
            for _ in range(self.steps):
                own, _ = step(x, own, lambda seen: losses(seen, target), self.budget, generator=rng, **settings)  # noqa: B023
            total = torch.zeros_like(delta).index_add_(0, target, own)
            count = torch.bincount(target, minlength=len(delta)).view(-1, 1, 1, 1)
            delta.copy_(torch.where(count > 0, total / count.clamp_min(1), delta))
        return len(chosen) * self.steps

    @torch.no_grad()
    def _error(
        self,
        images: Tensor,
        labels: Tensor,
        delta: Tensor,
        owner: Tensor,
        chosen: Tensor,
        learner: Learner,
        rng: Generator,
    ) -> float:
        wrong = torch.zeros((), device=labels.device)
        for index in chosen.split(4 * self.batch):
            guess = learner.forward(self._seen(images[index], delta[owner[index]], rng)).argmax(1)
            wrong += (guess != labels[index]).sum()
        return float(wrong) / len(chosen)


def _one_of_each(chosen: Tensor, labels: Tensor) -> list[Tensor]:
    """``chosen`` in batches that hold at most one example of each class; each class's own order is kept."""
    lists = [chosen[labels[chosen] == label] for label in labels.unique()]
    longest = max(len(members) for members in lists)
    return [torch.cat([members[i : i + 1] for members in lists]) for i in range(longest)]
