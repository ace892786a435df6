"""The whole training loop on one screen; variation comes in through arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed, generator
from faceshield.data.augment import Augment as Augment  # the experiments take the name from here
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.data.mixing import Mix
from faceshield.models.frozen import freeze
from faceshield.noise.base import Forward
from faceshield.training.checkpoint import Checkpoint
from faceshield.training.history import History, Tested
from faceshield.training.optim import Pace, Schedule, rate, set_rate, sgd
from faceshield.training.parallel import descend
from faceshield.training.runtime import Runtime

Attack = Callable[[Forward, Tensor, Tensor, Generator], Tensor]

Criterion = Callable[[Tensor, Tensor], Tensor]
"""``criterion(logits, labels)``: the sum of a batch's losses; labels (N,) int64, or (N, classes) from mixing."""

Network = TypeVar("Network", bound=nn.Module)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """The usual :data:`Criterion`."""
    return F.cross_entropy(logits, target, reduction="sum")


def train(
    model: nn.Module,
    data: Examples,
    runtime: Runtime,
    *,
    epochs: int,
    seed: int,
    lr: float = 0.1,
    batch: int = 64,
    weight_decay: float = 5e-4,
    nesterov: bool = True,
    schedule: Schedule = "one-cycle",
    milestones: Sequence[int] = (),
    clip: float | None = None,
    augment: Augment = crop_and_flip,
    mix: Mix | None = None,
    adversary: Attack | None = None,
    pace: Pace | None = None,
    criterion: Criterion = cross_entropy,
    test: Callable[[nn.Module], Tested] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    checkpoint: Path | None = None,
    every: float = 0.0,
) -> History:
    """Train ``model``, in place, as a classifier by SGD (momentum 0.9); it is left in eval mode.

    The paper (appendix B): lr 0.025, weight decay 5e-4, schedule "cosine", nesterov False. ``milestones`` (in epochs)
    belong to the schedule "steps"; ``clip`` bounds the gradient's length; ``pace`` slows some layers down.

    Each batch passes through, in this order:
        ``augment(images, generator)``, on uint8 pictures, which then become float in [0, 1];
        ``mix(images, labels, classes, generator)``, which returns pictures and soft labels;
        ``adversary(forward, images, labels, generator)``, with the model frozen and in eval mode;
        ``criterion(logits, labels)``, which returns the sum of the losses.
    After each epoch, in eval mode, ``test(model)`` gives the accuracy (and that on each class) for the history, and
    ``on_epoch(epoch, mean training loss)`` is called.

    ``checkpoint`` is written after an epoch, at most every ``every`` seconds. A run that finds it continues from it
    and, on a CPU, ends with the same bytes as an uninterrupted one.

    With several processes each computes some rows of a batch, and all take the same step as one process would on the
    whole batch. Each runs ``adversary`` on the whole batch and ``test`` on all of its pictures.

    Raises UsageError for an invalid rate, decay or schedule; StoreError for a checkpoint of a run with other settings,
    data or initial weights.
    """
    if min(len(data), epochs, batch) < 1:
        raise UsageError(f"{len(data)} examples, {epochs} epochs, batch {batch}: each must be at least 1")
    model = runtime.place(model)
    images, labels = data.images.to(runtime.device), data.labels.to(runtime.device)
    forward, ranks = partial(runtime.forward, model), runtime.ranks
    rng = generator(seed, "train")
    optimizer = sgd(model, lr=lr, weight_decay=weight_decay, nesterov=nesterov, apart=pace is not None)
    steps_per_epoch = -(-len(data) // batch)
    milestone_steps = [steps_per_epoch * milestone for milestone in milestones]
    settings = {
        "epochs": epochs, "seed": seed, "lr": lr, "batch": batch, "weight_decay": weight_decay, "nesterov": nesterov,
        "schedule": schedule, "milestones": list(milestones), "clip": clip, "augment": augment, "mix": mix,
        "adversary": adversary, "criterion": criterion, "precision": str(runtime.dtype),
        **({} if pace is None else {"pace": pace}),
    }  # fmt: skip
    steps = epochs * steps_per_epoch
    saved = Checkpoint.start(checkpoint, settings, model, data)
    history = saved.resume(model, optimizer, rng)
    model.eval()
    written = time.monotonic()
    for epoch in range(len(history), epochs):
        started = time.perf_counter()
        model.train()
        total = torch.zeros((), device=runtime.device)
        order = torch.randperm(len(data), generator=rng).to(runtime.device)  # once: each copy would wait for the device
        for step, index in enumerate(order.split(batch), epoch * steps_per_epoch):
            now = rate(schedule, step, steps, lr=lr, milestones=milestone_steps)
            set_rate(optimizer, now, pace, step / steps)
            x, target = augment(images[index], rng).float() / 255, labels[index]
            if mix is not None:
                x, target = mix(x, target, len(data.classes), rng)
            if adversary is not None:
                with freeze(model):
                    x = adversary(forward, x, target, rng)
            summed = criterion(forward(x[ranks.rows]), target[ranks.rows])
            loss = summed / len(index)
            descend(loss, model, optimizer, ranks, clip)
            total += loss.detach() * len(index)
        model.eval()
        mean = float(ranks.sum(total)) / len(data)  # waits for the device, so that the seconds are all of the epoch's
        seconds = time.perf_counter() - started
        history = history.append(mean, None if test is None else test(model), seconds)
        if on_epoch is not None:
            on_epoch(epoch, history.train_loss[-1])
        if checkpoint is not None and ranks.any(time.monotonic() - written >= every, runtime.device):
            ranks.once(partial(saved.save, model, optimizer, rng, history))
            written = time.monotonic()
    return history


def build_seeded(build: Callable[[], Network], seed: int) -> Network:
    """``build()`` with initial weights drawn from ``seed`` alone; torch's global state is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        return build()


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, runtime: Runtime, batch: int = 256) -> Tensor:
    """(n,) int64 class predictions for uint8 images (n, 3, H, W)."""
    parts = [
        runtime.forward(model, chunk.to(runtime.device).float() / 255).argmax(1).cpu() for chunk in images.split(batch)
    ]
    return torch.cat(parts)
