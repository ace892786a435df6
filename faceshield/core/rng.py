"""Seeds in, the same numbers out: every generator is made here and passed explicitly.

A stream is named by stable words (a seed, a file name, an identity), never by loader order,
so that noise does not change when the files are shuffled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

CHUNK = 1 << 18  # values mixed at a time: they stay in the cache, and a data set's never lie in memory as int64
# SplitMix64 (Steele, Lea and Flood 2014), its constants as two's complement
GOLDEN, FIRST, SECOND = (c - (1 << 64) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from any printable parts; equal parts give an equal seed on every machine."""
    text = "\x1f".join(str(part) for part in parts).encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def generator(*parts: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on ``device`` seeded by :func:`derive_seed` of ``parts``."""
    return torch.Generator(device=device).manual_seed(derive_seed(*parts))


def draw_uniform(keys: Sequence[str], count: int, *parts: object) -> Tensor:
    """(len(keys), count) float32 in (0, 1): ``count`` uniform values for each key, from ``parts`` and the key alone.

    Neither the order of ``keys`` nor which others there are changes a key's values; a longer row starts with the
    shorter one. Values are odd multiples of 2⁻²⁴: 0, 1 and ½ do not occur, and 1 − u is as likely as u.
    """
    seeds = torch.tensor([derive_seed(*parts, key) for key in keys], dtype=torch.long)[:, None]
    values = torch.empty(len(keys), count)
    for rows in torch.arange(len(keys)).split(max(1, CHUNK // max(1, count))):
        values[rows] = _mix(seeds[rows] + GOLDEN * torch.arange(1, count + 1)).add(0.5).mul_(2.0**-23)
    return values


def draw_normal(keys: Sequence[str], count: int, *parts: object) -> Tensor:
    """(len(keys), count) float32 of standard normal values; as :func:`draw_uniform`, which gives their shares."""
    values: Tensor = torch.special.ndtri(draw_uniform(keys, count, *parts))
    return values


def _mix(counter: Tensor) -> Tensor:
    """The upper 23 bits of SplitMix64's output for each int64 counter, as float32 whole numbers (arithmetic wraps)."""
    z = (counter ^ _shift_right(counter, 30)) * FIRST
    z = (z ^ _shift_right(z, 27)) * SECOND
    return _shift_right(z ^ _shift_right(z, 31), 41).float()


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Shift to the right without the sign (torch's own shift of int64 keeps it)."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
