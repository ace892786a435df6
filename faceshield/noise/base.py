"""What every noise method has in common: the data it sees, the network it is handed, and its way out, a ``Noise``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """A network θ and how to run and fit it. Callers hand it in, since noise chooses no device and no optimiser.

    Attributes:
        model: The network.
        frozen: Returns a copy of the network as it is now, in eval mode: float images in [0, 1] to float32 logits.
            Gradients are for the images only.
        fit: Makes one optimiser step on float images (N, 3, H, W) in [0, 1] and int64 labels (N,); returns the losses
            (N,) from before it.
        state: Returns a flat copy of parameters, buffers and the optimiser's memory.
        restore: Puts back what ``state`` returned.
        device: Where the network is.
        ranks: The processes that hold the same learner. ``fit`` needs the whole batch in each of them; the copies of
            ``frozen`` work in each process alone.
        frozen_features: As ``frozen``, but to the network's features (N, channels); None where it tells none.
        checkpoints: The network's parameters and buffers along its training, the last of them as it is now; () where it
            has not been trained, or nobody kept them.
    """

    model: nn.Module
    frozen: Callable[[], Forward]
    fit: Callable[[Tensor, Tensor], Tensor]
    state: Callable[[], dict[str, Tensor]]
    restore: Callable[[Mapping[str, Tensor]], None]
    device: torch.device
    ranks: Ranks = ALONE
    frozen_features: Callable[[], Forward] | None = None
    checkpoints: Sequence[Mapping[str, Tensor]] = ()


class NoiseMethod(Protocol):
    """One way to make δ. Its fields are its settings; ``generate`` is the same for all of them.

    Examples are taken in the order of their ids, and every random choice comes from ``seed``: neither the order of
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
