"""A pass of steps for a δ of each example of a data set, without arithmetic for examples that need no step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.noise.base import add_noise
from faceshield.noise.pgd import Shape, Sign, Transform, step

Losses = Callable[[Tensor, Tensor], Tensor]


def sweep(
    images: Tensor,
    labels: Tensor,
    delta: Tensor,
    losses: Losses,
    budget: Budget,
    *,
    steps: int,
    alpha: float,
    sign: Sign,
    batch: int,
    loss_threshold: float | None = None,
    transform: Transform | None = None,
    generator: Generator | None = None,
    shape: Shape | None = None,
    in_range: bool = True,
) -> int:
    """Take up to ``steps`` steps for each example; ``delta`` is changed in place. Returns the number of steps taken.

    images (n, 3, H, W) uint8; delta (n, 3, H, W) float32; ``losses(batch, labels)`` gives the examples' losses (N,).
    An example whose loss has reached ``loss_threshold`` (at most, when minimising; at least, when maximising) keeps
    its δ and leaves the batch, and the next one takes its place, so that batches stay full. Examples that need no step
    are found first, by a pass without gradients. Examples are independent: in eval mode, without a random transform,
    neither ``batch`` nor the order of the examples changes δ. ``in_range`` is :func:`faceshield.noise.pgd.step`'s.
    """
    if steps < 1:
        return 0
    device = labels.device
    waiting = torch.arange(len(images), device=device)
    if loss_threshold is not None:
        waiting = waiting[
            _find_unfinished(images, labels, delta, losses, batch, loss_threshold, sign, transform, generator)
        ]
    taken = torch.zeros(len(images), dtype=torch.long, device=device)
    active, waiting = waiting[:batch], waiting[batch:]
    total = 0
    while len(active):
        start = delta[active]
        moved, loss = step(
            images[active].float() / 255,
            start,
            lambda batch_seen, batch_labels=labels[active]: losses(batch_seen, batch_labels),  # type: ignore[misc]
            budget,
            alpha=alpha,
            sign=sign,
            transform=transform,
            generator=generator,
            shape=shape,
            in_range=in_range,
        )
        going = (
            torch.ones_like(loss, dtype=torch.bool) if loss_threshold is None else sign * (loss_threshold - loss) > 0
        )
        delta[active] = torch.where(going.view(-1, 1, 1, 1), moved, start)
        taken[active] += 1
        total += len(active)
        active = active[going & (taken[active] < steps)]
        room = batch - len(active)
        active, waiting = torch.cat([active, waiting[:room]]), waiting[room:]
    return total


@torch.no_grad()
def _find_unfinished(
    images: Tensor,
    labels: Tensor,
    delta: Tensor,
    losses: Losses,
    batch: int,
    loss_threshold: float,
    sign: Sign,
    transform: Transform | None,
    generator: Generator | None,
) -> Tensor:
    """(n,) bool: the examples whose loss has not reached ``loss_threshold``."""
    parts = []
    for index in torch.arange(len(images), device=labels.device).split(4 * batch):
        batch_seen = add_noise(images[index], delta[index])
        if transform is not None:
            assert generator is not None, "a random transform needs a generator"
            batch_seen = transform(batch_seen, generator)
        parts.append(sign * (loss_threshold - losses(batch_seen, labels[index])) > 0)
    return torch.cat(parts)


def split_by_class(chosen: Tensor, labels: Tensor) -> list[Tensor]:
    """``chosen`` in batches that hold at most one example of each class; each class's own order is kept."""
    lists = [chosen[labels[chosen] == label] for label in labels.unique()]
    longest = max(len(members) for members in lists)
    return [torch.cat([members[i : i + 1] for members in lists]) for i in range(longest)]


def draw_subset(labels: Tensor, share: float, rng: Generator) -> Tensor:
    """Indices of a ``share`` of the examples, in order: of each class its share, and one at least if there is room.

    A class of which none were drawn would keep the noise 0.
    """
    order = torch.randperm(len(labels), generator=rng)
    order = order[labels[order].argsort(stable=True)]  # class by class
    sizes = labels.bincount()
    place = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[labels[order]]
    first = torch.where(place == 0, 0, (place + 0.5) / sizes[labels[order]]).argsort(stable=True)
    return order[first[: max(1, round(share * len(labels)))]].sort().values
