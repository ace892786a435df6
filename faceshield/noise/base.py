"""What every noise method has in common: the data it sees, the network it is handed, and its way out, a ``Noise``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from faceshield.core.ranks import ALONE, Ranks
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.imaging.quantize import add_levels, to_levels

Forward = Callable[[Tensor], Tensor]
OnRound = Callable[[int, float, Tensor], None]
"""``on_round(round, error, δ)`` is called after each round."""


@dataclass(frozen=True)
class Learner:
    """A network θ, how it is run, and how it is fitted: handed in, since noise picks no device and no optimiser.

    ``frozen()`` is the network as it is now, in eval mode and for good: it gives float32 logits for float images in
    [0, 1], and only these ask for gradients, so that many passes while θ stays cost no more than they must. ``fit``
    makes one optimiser step on float images and int64 labels and gives the examples' losses (N,) from before it.
    ``state`` is a flat copy of parameters, buffers and the optimiser's memory, ``restore`` its inverse: what a resumed
    job needs. ``ranks`` are the processes that hold the same learner: ``fit`` is given the whole batch in each of them,
    and what ``frozen`` gives works in each for itself.
    """

    model: nn.Module
    frozen: Callable[[], Forward]
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


def add_noise(images: Tensor, delta: Tensor) -> Tensor:
    """images (N, 3, H, W) uint8 plus δ (N, 3, H, W) or (3, H, W), float in [0, 1]: what a network is fitted on."""
    return (images.float() / 255 + delta).clamp_(0, 1)


def add_rounded(images: Tensor, delta: Tensor) -> Tensor:
    """images (N, 3, H, W) uint8 plus δ (N, 3, H, W) or (3, H, W) rounded to levels, uint8 on the CPU: a file."""
    levels = to_levels(delta.cpu().numpy(), 1.0, white=255)
    return torch.from_numpy(add_levels(images.cpu().numpy(), levels, 1.0))


@torch.no_grad()
def find_misclassified(
    chosen: Tensor, labels: Tensor, add: Callable[[Tensor], Tensor], forward: Forward, batch: int
) -> Tensor:
    """(len(chosen),) bool: the examples whose most likely class is not their label.

    ``chosen`` are indices into ``labels`` (n,); ``add(index)`` gives the noisy pictures of ``index``, float in [0, 1].
    """
    return torch.cat([forward(add(index)).argmax(1) != labels[index] for index in chosen.split(batch)])
