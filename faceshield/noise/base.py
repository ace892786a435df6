"""What every noise method has in common: the data it sees, the network it is handed, and its way out, a ``Noise``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from faceshield.core.ranks import ALONE, Ranks
from faceshield.core.types import Noise
from faceshield.data.examples import Examples

OnRound = Callable[[int, float, Tensor], None]
"""``on_round(round, error, δ)`` hears of each finished round."""


@dataclass(frozen=True)
class Learner:
    """A network θ, how it is run, and how it is fitted: handed in, since noise picks no device and no optimiser.

    ``forward`` gives float32 logits for float images in [0, 1] in the network's current mode; ``fit`` makes one
    optimiser step on float images and int64 labels and gives the examples' losses (N,) from before it. ``state`` is a
    flat copy of parameters, buffers and the optimiser's memory, ``restore`` its inverse: what a resumed job needs.
    ``ranks`` are the processes that hold the same learner: ``fit`` is given the whole batch in each of them, and
    ``forward`` works in each for itself.
    """

    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    fit: Callable[[Tensor, Tensor], Tensor]
    state: Callable[[], dict[str, Tensor]]
    restore: Callable[[Mapping[str, Tensor]], None]
    device: torch.device
    ranks: Ranks = ALONE


class NoiseMethod(Protocol):
    """One way to make δ. Its fields are its settings; ``generate`` is the same for all of them.

    Examples are seen in the order of their ids, and all that is drawn is drawn from ``seed``: neither the order of the
    files nor a shuffled loader changes Δ.
    """

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise with one δ for each class or example of ``data``, on the CPU."""


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """``model`` in eval mode with parameters that ask for no gradient; both are put back afterwards."""
    training = model.training
    asked = [parameter.requires_grad for parameter in model.parameters()]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for parameter, wanted in zip(model.parameters(), asked, strict=True):
            parameter.requires_grad_(wanted)


def noisy(images: Tensor, delta: Tensor) -> Tensor:
    """uint8 pictures plus δ as float in [0, 1]."""
    return (images.float() / 255 + delta).clamp_(0, 1)


@torch.no_grad()
def misclassified(
    chosen: Tensor, labels: Tensor, seen: Callable[[Tensor], Tensor], forward: Callable[[Tensor], Tensor], batch: int
) -> Tensor:
    """(len(chosen),) bool: whose most likely class is not their label.

    ``chosen`` are indices into ``labels`` (n,); ``seen(index)`` gives the pictures of ``index`` as the network is to
    see them, float in [0, 1].
    """
    return torch.cat([forward(seen(index)).argmax(1) != labels[index] for index in chosen.split(batch)])
