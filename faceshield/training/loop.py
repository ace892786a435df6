"""The whole training loop on one screen; variation comes in through arguments."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from faceshield.core.rng import derive_seed, generator
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.training.runtime import Runtime

Augment = Callable[[Tensor, Generator], Tensor]


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
    augment: Augment = crop_and_flip,
    on_epoch: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train ``model`` as a classifier by SGD (momentum 0.9, one-cycle rate with its peak at ``lr``).

    ``on_epoch(epoch, mean training loss)`` is called after each epoch with the model in eval mode.
    """
    model = runtime.place(model)
    images, labels = data.images.to(runtime.device), data.labels.to(runtime.device)
    rng = generator(seed, "train")
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=weight_decay, nesterov=True)
    steps = epochs * -(-len(data) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        total = torch.zeros((), device=runtime.device)
        for index in torch.randperm(len(data), generator=rng).split(batch):
            x = augment(images[index], rng).float() / 255
            loss = F.cross_entropy(runtime.forward(model, x), labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(index)
        model.eval()
        if on_epoch is not None:
            on_epoch(epoch, float(total) / len(data))
    return model


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
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
