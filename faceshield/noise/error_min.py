"""Error-minimizing noise: Algorithm 1 of the paper, the min-min problem of Eq. 2, in both forms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.ranks import Ranks
from faceshield.core.rng import generator
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Forward, Learner, OnRound, add_noise, find_misclassified
from faceshield.noise.patch import cut, draw_places, paste_first, spread
from faceshield.noise.pgd import Shape, Transform, step
from faceshield.noise.progress import Order, Saved
from faceshield.noise.sweep import Losses, draw_subset, split_by_class, sweep

Start = Literal["zero", "random"]


class Solver(Protocol):
    """Another way through the inner minimisation of Eq. 2 than signed steps; see noise.eq5."""

    @property
    def name(self) -> str:
        """The method's name in results."""

    def __call__(
        self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, budget: Budget, *, batch: int
    ) -> int:
        """As :func:`faceshield.noise.sweep.sweep`: changes ``delta`` in place, returns the number of steps taken."""


@dataclass(frozen=True)
class ErrorMin:
    """M steps of θ on the noisy pictures, then one pass of T signed steps of δ, until the error falls under λ.

    ``form`` "sample": every example has its own δ and takes T steps in each pass. "class": one δ a class, found on
    ``subset`` of the examples, drawn once for all rounds (Appendix B) or with ``redraw`` anew in each, in one of two
    ways.

    - ``update`` "mean" (as in the released code): in a batch each example takes T steps from its class's δ, and the
      class's δ becomes the mean of its examples' results; the next batch starts from there. A class absent from a batch
      keeps its δ. An example keeps its own result such that its picture stays in [0, 1].
    - "sequential" (Algorithm 1 to the letter): one example after the other steps from where the last one of its class
      left δ, which is clipped to ε only: one white picture does not undo what the others did at its white pixels.
      Classes do not touch each other, so a batch holds one example of each.

    With ``patch`` (h, w) the class's δ has that size and lies on a place drawn anew for each example and step, and on
    another one when θ is fitted (Appendix F). θ is fitted in train mode; δ and the error are computed with θ frozen, in
    eval mode. δ starts at 0, or with ``start`` "random" as normal noise of ``shape``, brought up to the budget: θ has
    something to learn from the first step on. The defaults are the paper's for class-wise noise on CIFAR-10; for
    sample-wise noise see :meth:`sample_wise`. Later methods are subclasses: they have a ``name``, and say what θ is
    fitted on (``_prepare``), what δ's steps see (``_step_view``) and what they minimise (``_harden``).
    """

    name: ClassVar[str] = "error-min"
    in_range: ClassVar[bool] = True  # whether an example's picture stays in [0, 1] with its own δ

    form: Form = "class"
    budget: Budget = field(default_factory=Budget)
    fit_steps: int = 10  # M
    steps: int = 1  # T
    alpha: float = 8 / 2550  # ε / 10
    stop_error: float = 0.1  # λ
    rounds: int = 200
    batch: int = 128
    subset: float = 0.2  # share of the examples in a δ pass
    redraw: bool = False  # with few examples a class: after some rounds all of them have taken part
    update: Literal["mean", "sequential"] = "mean"
    enough: float | None = None  # sample-wise: an example whose loss is no larger takes no more steps in a pass
    view: Transform | None = None
    shape: Shape | None = None  # a further constraint on δ, see noise.band
    start: Start = "zero"
    shuffle: bool = True  # the released code fits θ on batches that are always the same
    checkpoint: Path | None = None  # written after every round; found again, the job goes on from there
    delta_batch: int | None = None  # examples in a batch of the δ pass; ``batch`` if not given
    patch: tuple[int, int] | None = None  # class-wise: height and width of δ; the picture's if not given
    solver: Solver | None = None  # sample-wise: solves the inner problem instead of T signed steps

    def __post_init__(self) -> None:
        if self.form not in ("sample", "class"):
            raise UsageError(f"form {self.form!r} is unknown; use 'sample' or 'class'")
        if self.update not in ("mean", "sequential"):
            raise UsageError(f"update {self.update!r} is unknown; use 'mean' or 'sequential'")
        if self.start not in ("zero", "random"):
            raise UsageError(f"start {self.start!r} is unknown; use 'zero' or 'random'")
        if self.form == "sample" and self.patch is not None:
            raise UsageError(f"patch {self.patch} asks for noise on a patch, which is class-wise; use form 'class'")
        if self.form == "class" and (self.solver is not None or self.enough is not None):
            raise UsageError("solver and enough are for each example's own noise; use form 'sample'")
        if self.solver is not None and (self.view is not None or self.shape is not None):
            raise UsageError(f"{self.solver.name} solves one fixed problem; leave out view and shape")

    @classmethod
    def sample_wise(cls, **settings: Any) -> ErrorMin:
        """The paper's settings for sample-wise noise: T = 20, λ = 0.01, all examples in every pass."""
        return cls(**{"form": "sample", "steps": 20, "stop_error": 0.01, "subset": 1.0, **settings})

    def generate(
        self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None,
        first: Tensor | None = None,
    ) -> Noise:  # fmt: skip
        """Noise keyed by class names or example ids. ``learner``'s network is the surrogate θ, fitted on the way.

        ``first`` (K, C, h, w) is where δ begins, in place of ``start``: noise made earlier that is to be carried on.
        Killed and called again with the same ``checkpoint``, it ends with the very bytes of an uninterrupted run. Of
        ``learner``'s several processes, which must all call this, each does its share, and all return the same noise.
        Raises UsageError for a patch that does not fit, StoreError for another job's checkpoint.
        """
        data = data.sort()
        images, labels = data.images.to(learner.device), data.labels.to(learner.device)
        keys = data.classes if self.form == "class" else data.ids
        owner = labels if self.form == "class" else torch.arange(len(labels), device=labels.device)
        rng = generator(seed, "error-min", self.form)
        order = Order(len(images), self.batch, rng, shuffle=self.shuffle)
        saved = Saved(
            self.checkpoint, {"method": replace(self, checkpoint=None), "seed": seed}, data, learner, rng, order
        )
        subset = draw_subset(data.labels, self.subset, generator(seed, "error-min", self.form, "subset"))
        delta = torch.zeros(len(keys), images.shape[1], *(self.patch or images.shape[2:]), device=labels.device)
        if first is not None:
            delta.copy_(first)
        elif self.start == "random":
            delta.copy_(self._draw_start(delta, generator(seed, "error-min", self.form, "start")))
        errors, taken = saved.resume(delta)
        while len(errors) < self.rounds and not (errors and errors[-1] <= self.stop_error):
            learner.model.train()
            for _ in range(self.fit_steps):
                index = order.next().to(labels.device)
                noisy = self._prepare(images[index], delta[owner[index]], labels[index], learner, rng)
                learner.fit(noisy, labels[index])
            forward = learner.frozen()
            if self.redraw:
                chosen = torch.randperm(len(images), generator=rng)[: len(subset)].to(labels.device)
            else:
                chosen = subset[torch.randperm(len(subset), generator=rng)].to(labels.device)
            taken += self._run_pass(images, labels, delta, chosen, forward, learner.ranks, rng)
            wrong = find_misclassified(
                chosen, labels, lambda index: self._apply(images[index], delta[owner[index]], rng),
                learner.ranks.deal(forward), 4 * self.batch,
            )  # fmt: skip
            errors.append(float(wrong.float().mean()))
            saved.write(delta, errors, taken)
            if on_round is not None:
                on_round(len(errors) - 1, errors[-1], delta)
        learner.model.eval()
        name = self.name if self.solver is None else self.solver.name
        provenance = {"method": name, "errors": errors, "stop_error": self.stop_error, "steps_taken": taken}
        if self.patch is not None:
            provenance["place"] = "random"
        return Noise(delta.cpu(), self.form, keys, self.budget, provenance)

    def _draw_start(self, delta: Tensor, rng: Generator) -> Tensor:
        """Random noise of the size of ``delta``, most of it at its bound."""
        noise = torch.randn(delta.shape, generator=rng).to(delta.device)
        noise = noise if self.shape is None else self.shape(noise)
        return self.budget.project(noise * (3 * self.budget.epsilon / noise.std()))

    def _apply(self, images: Tensor, delta: Tensor, rng: Generator) -> Tensor:
        """uint8 ``images`` plus δ under the random transform, float in [0, 1]; each patch lies on a random place."""
        if self.patch is not None:
            picture = (images.shape[2], images.shape[3])
            places = draw_places(len(images), picture, self.patch, rng).to(images.device)
            delta = spread(delta, places, picture)
        batch = add_noise(images, delta)
        return batch if self.view is None else self.view(batch, rng)

    def _prepare(self, images: Tensor, delta: Tensor, labels: Tensor, learner: Learner, rng: Generator) -> Tensor:
        """The pictures that θ is fitted on."""
        return self._apply(images, delta, rng)

    def _step_view(self) -> Transform | None:
        """The transform under which δ takes its steps."""
        return self.view

    def _harden(self, losses: Losses, rng: Generator) -> Losses:
        """What the steps of an example's own δ minimise."""
        return losses

    def _run_pass(
        self, images: Tensor, labels: Tensor, delta: Tensor, chosen: Tensor, forward: Forward, ranks: Ranks,
        rng: Generator,
    ) -> int:  # fmt: skip
        """Change ``delta`` in place by the δ pass over the ``chosen`` examples; returns the number of steps taken.

        Each of several processes takes its share of the examples' steps. A class's transforms are drawn for the whole
        batch, as by one process; an example's transforms by each process for its share.
        """

        def losses(batch: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(forward(batch), target, reduction="none")

        def share_losses(batch: Tensor, target: Tensor) -> Tensor:
            return losses(batch[ranks.rows], target[ranks.rows])

        if self.form == "sample":
            everyone = len(chosen) == len(images)
            own = delta if everyone else delta[chosen]
            x, y = (images, labels) if everyone else (images[chosen], labels[chosen])
            share = ranks.rows
            taken = self._pass_samples(x[share], y[share], own[share], losses, ranks.fork_generator(rng))
            ranks.exchange(own)
            if not everyone:
                delta[chosen] = own
            return int(ranks.sum(torch.tensor(taken, device=delta.device)))
        together = self.update == "mean"
        for index in chosen.split(self.delta_batch or self.batch) if together else split_by_class(chosen, labels):
            own = self._step_classes(images[index], labels[index], delta[labels[index]], share_losses, rng)
            total = torch.zeros_like(delta).index_add_(0, labels[index][ranks.rows], own[ranks.rows])
            total = ranks.sum(total)
            count = torch.bincount(labels[index], minlength=len(delta)).view(-1, 1, 1, 1)
            delta.copy_(torch.where(count > 0, total / count.clamp_min(1), delta))
        return len(chosen) * self.steps

    def _pass_samples(self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, rng: Generator) -> int:
        """The sample-wise pass, δ changed in place: the solver's, or T signed steps for each example."""
        batch = self.delta_batch or self.batch
        if self.solver is not None:
            return self.solver(images, labels, delta, losses, self.budget, batch=batch)
        return sweep(
            images, labels, delta, self._harden(losses, rng), self.budget, steps=self.steps, alpha=self.alpha, sign=-1,
            batch=batch, loss_threshold=self.enough, transform=self._step_view(), generator=rng, shape=self.shape,
            in_range=self.in_range,
        )  # fmt: skip

    def _step_classes(self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, rng: Generator) -> Tensor:
        """Where T steps of each of ``images`` (N, 3, H, W) uint8 take its class's δ (N, 3, h, w).

        Only the examples whose loss is among ``losses`` are moved: those of this process's share.
        """
        x = images.float() / 255
        for _ in range(self.steps):
            part, view = x, self._step_view()
            if self.patch is not None:
                places = draw_places(len(x), (x.shape[2], x.shape[3]), self.patch, rng).to(x.device)
                part, view = cut(x, places, self.patch), paste_first(x, places, view)
            delta, _ = step(
                part, delta, lambda batch: losses(batch, labels), self.budget, alpha=self.alpha, sign=-1,
                transform=view, generator=rng, shape=self.shape,
                in_range=self.in_range and self.update == "mean",
            )  # fmt: skip
        return delta
