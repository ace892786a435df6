"""TAP and SEP: noise that a network trained on the clean pictures takes for another class, for each example.

TAP: Fowl et al., "Adversarial Examples Make Strong Poisons" (NeurIPS 2021), asks the trained network. SEP: Chen et al.,
"Self-Ensemble Protection: Training Checkpoints Are Good Data Protectors" (ICLR 2023), asks many of the networks that
its training passed through. Whoever trains on such pictures learns features of the other class under this one's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.types import Noise
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.noise.base import Forward, Learner, OnRound
from faceshield.noise.progress import Order, Saved
from faceshield.noise.sweep import sweep

Asked = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``asked(batch, target)``: how far each picture is from its target (N,), and whether it is taken for another (N,)."""


@dataclass(frozen=True)
class Targeted:
    """T signed steps towards class g(y) = y + ``shift``, modulo their number: δ ← Π(δ − α sign Σ_k ∇L_k(a(x + δ), g)).

    L_k is of network k, ``toward`` "class": CE(f_k(·), g(y)), or "features": ‖h_k(·) − h̄_k,g(y)‖², with h the network's
    features and h̄ their mean over the clean pictures of g(y) (SEP's feature alignment; its variance reduction, another
    inner loop, is left out). a is a random crop and flip, with ``augment``.

    TAP: ``checkpoints`` 1, the trained network; the authors take 250 steps. SEP: at most ``checkpoints`` networks, of
    evenly spaced ends of epochs, the last among them; the authors take 30 of them, 30 steps and y + 5 of ten classes,
    from which ``shift``, half the number of classes, is. α is ours, ε/10. With ``each`` a step asks only so many
    of the networks, in turn.

    Cost of an example: steps · checkpoints (or ``each``) passes through a network forward and back, and the training of
    it. Published (CIFAR-10, RN-18): TAP 8.2 %, SEP 3.9 %; 84 % under JPEG.
    """

    budget: Budget = field(default_factory=Budget)
    checkpoints: int = 1
    steps: int = 250  # T
    alpha: float = 8 / 2550  # ε / 10
    shift: int | None = None
    toward: Literal["class", "features"] = "class"
    augment: bool = True
    each: int | None = None
    batch: int = 128
    checkpoint: Path | None = None  # of this job, written after every step

    def __post_init__(self) -> None:
        if self.toward not in ("class", "features"):
            raise UsageError(f"toward {self.toward!r} is unknown; use 'class' or 'features'")
        if self.checkpoints < 1 or (self.each is not None and self.each < 1):
            raise UsageError(f"checkpoints {self.checkpoints} and each {self.each} must be at least 1")

    @property
    def name(self) -> str:
        """The method's name in results."""
        return "tap" if self.checkpoints == 1 else "sep"

    @property
    def rounds(self) -> int:
        """How often ``on_round`` is called: after each step."""
        return self.steps

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by example ids. ``learner``'s network has been trained already, and is not fitted any further.

        Each step is a round; its error is the share of pictures that the networks asked did not take for the target
        before the step. Resumed as :meth:`faceshield.noise.error_min.ErrorMin.generate` is. Raises UsageError for fewer
        than two classes, a ``shift`` that leads back, and checkpoints or features that the learner lacks; StoreError
        for another job's checkpoint.
        """
        data = data.sort()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        target = (labels + self._find_shift(len(data.classes))) % len(data.classes)
        rng, ranks = generator(seed, "targeted"), learner.ranks
        order = Order(len(images), self.batch, rng)
        what = {"method": replace(self, checkpoint=None), "seed": seed}
        saved = Saved(self.checkpoint, what, data, learner, rng, order)
        networks = self._load_networks(learner, images, labels, len(data.classes))
        each = min(self.each or len(networks), len(networks))
        delta = torch.zeros(images.shape, device=learner.device)
        errors, taken = saved.resume(delta)
        share = ranks.rows
        while len(errors) < self.steps:
            first = len(errors) * each
            asked = [networks[place % len(networks)] for place in range(first, first + each)]
            wrong = torch.zeros((), device=learner.device)
            sweep(
                images[share], target[share], delta[share], lambda x, y: _average(asked, x, y, wrong), self.budget,  # noqa: B023
                steps=1, alpha=self.alpha, sign=-1, batch=self.batch,
                transform=crop_and_flip if self.augment else None, generator=ranks.fork_generator(rng),
            )  # fmt: skip
            ranks.exchange(delta)
            taken += len(images)
            errors.append(float(ranks.sum(wrong)) / (len(images) * each))
            saved.write(delta, errors, taken)
            if on_round is not None:
                on_round(len(errors) - 1, errors[-1], delta)
        provenance = {"method": self.name, "errors": errors, "steps_taken": taken, "networks": len(networks)}
        return Noise(delta.cpu(), "sample", data.ids, self.budget, provenance)

    def _find_shift(self, classes: int) -> int:
        if classes < 2:
            raise UsageError(f"{self.name} leads to another class; data with {classes} class has none")
        shift = classes // 2 if self.shift is None else self.shift
        if not shift % classes:
            raise UsageError(
                f"shift {shift} leads from each of {classes} classes back to itself; use 1 to {classes - 1}"
            )
        return shift

    def _load_networks(self, learner: Learner, images: Tensor, labels: Tensor, classes: int) -> list[Asked]:
        freeze = learner.frozen if self.toward == "class" else learner.frozen_features
        if freeze is None:
            raise UsageError("toward 'features' needs a network that tells them; use toward 'class'")

        def load() -> Asked:
            forward = freeze()
            if self.toward == "class":
                return _ask_class(forward)
            return _ask_features(forward, _average_features(forward, images, labels, classes, 4 * self.batch))

        if self.checkpoints == 1:
            return [load()]
        if not learner.checkpoints:
            raise UsageError("sep asks networks along the training, and the learner has none; use tap")
        last = {name: value.clone() for name, value in learner.model.state_dict().items()}
        networks = []
        for state in learner.checkpoints:
            learner.model.load_state_dict(dict(state))
            networks.append(load())
        learner.model.load_state_dict(last)
        return networks


def choose_epochs(epochs: int, count: int) -> list[int]:
    """At most ``count`` of the ``epochs`` of a training, from 0, evenly spaced; the last is always among them."""
    count = min(count, epochs)
    return [-(-epochs * (place + 1) // count) - 1 for place in range(count)]


def _ask_class(forward: Forward) -> Asked:
    def asked(batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = forward(batch)
        return F.cross_entropy(logits, target, reduction="none"), logits.argmax(1) != target

    return asked


def _ask_features(forward: Forward, means: Tensor) -> Asked:
    def asked(batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        features = forward(batch)
        far = (features - means[target]).square().sum(1)
        return far, torch.cdist(features.detach(), means).argmin(1) != target

    return asked


@torch.no_grad()
def _average_features(forward: Forward, images: Tensor, labels: Tensor, classes: int, batch: int) -> Tensor:
    """(classes, channels): the mean features of the pictures of each class."""
    features = torch.cat([forward(part.float() / 255) for part in images.split(batch)])
    total = torch.zeros(classes, features.shape[1], device=features.device).index_add_(0, labels, features)
    return total / torch.bincount(labels, minlength=classes).clamp_min(1)[:, None]


def _average(asked: Sequence[Asked], batch: Tensor, target: Tensor, wrong: Tensor) -> Tensor:
    """The networks' mean loss (N,) with its gradient; ``wrong`` counts, in place, what is taken for another class.

    One network after the other: the graphs of all at once would fill the memory.
    """
    seen = batch.detach()
    total, gradient = torch.zeros(len(batch), device=batch.device), torch.zeros_like(seen)
    for ask in asked:
        at = seen.clone().requires_grad_(True)
        loss, missed = ask(at, target)
        gradient += torch.autograd.grad(loss.sum(), at)[0]
        total += loss.detach()
        wrong += missed.sum()
    linear = ((batch - seen) * gradient).flatten(1).sum(1)
    return (total + linear) / len(asked)
