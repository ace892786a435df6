"""What a collector makes of face pictures before training: a counter-measure, the frame, and pairs to learn from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from faceshield.attacks.base import Countermeasure, Pairs
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import Examples
from faceshield.noise.surrogate import load_bank

PAIRS = 500


def kept(data: Examples, against: Countermeasure, size: int, **framing: int) -> Examples:
    """``data`` as a collector keeps it who takes the counter-measure, then frames (``data.canvas.crop_canvas``)."""
    return replace(data, images=crop_canvas(against.applied(data.images), size, **framing))


def tool_pairs(strangers: Tensor, size: int, rng: torch.Generator, **framing: int) -> Pairs:
    """Pictures (n, 3, S, S) uint8 of people who are not protected, framed without and with one of the public noises.

    On pictures smaller than the noise's canvas lies its middle.
    """
    bank = (load_bank().delta * 255).round().to(torch.int16)
    edge = (bank.shape[-1] - strangers.shape[-1]) // 2
    index = torch.randperm(len(strangers), generator=rng)[:PAIRS]
    slots = torch.randint(len(bank), (len(index),), generator=rng)
    clean = strangers[index]
    middle = bank[slots, :, edge : edge + clean.shape[-1], edge : edge + clean.shape[-1]]
    cloaked = (clean.to(torch.int16) + middle).clamp(0, 255).to(torch.uint8)
    return Pairs(crop_canvas(clean, size, **framing), crop_canvas(cloaked, size, **framing))
