"""What a collector does with face pictures before training: a counter-measure, the framing, and pairs to learn from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from faceshield.attacks.base import Countermeasure, Pairs
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import Examples
from faceshield.noise.base import add_rounded
from faceshield.noise.surrogate import load_bank

PAIRS = 500


def collect(data: Examples, against: Countermeasure, size: int, **framing: int) -> Examples:
    """``data`` after the counter-measure and the collector's framing (``data.canvas.crop_canvas``)."""
    return replace(data, images=crop_canvas(against.apply(data.images), size, **framing))


def make_pairs(background: Tensor, size: int, rng: torch.Generator, **framing: int) -> Pairs:
    """Up to :data:`PAIRS` pictures of ``background`` (n, 3, S, S) uint8, framed without and with a noise of the bank.

    ``background`` shows people who are not protected. Pictures smaller than the noise get its middle.
    """
    bank = load_bank().delta
    side = background.shape[-1]
    edge = (bank.shape[-1] - side) // 2
    index = torch.randperm(len(background), generator=rng)[:PAIRS]
    noises = torch.randint(len(bank), (len(index),), generator=rng)
    clean = background[index]
    cloaked = add_rounded(clean, bank[noises, :, edge : edge + side, edge : edge + side])
    return Pairs(crop_canvas(clean, size, **framing), crop_canvas(cloaked, size, **framing))
