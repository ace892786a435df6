"""The first layers of a network, chosen by the pictures' size: they decide how much detail the blocks still see."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from faceshield.core.errors import UsageError

Stem = Literal["cifar", "stride2", "imagenet"]


def make_stem(kind: Stem, width: int) -> nn.Sequential:
    """(N, 3, H, W) normalised pixels → (N, width, H/s, W/s) by convolution, batch norm and ReLU.

    "cifar": 3×3, s = 1, for 32-pixel pictures; "stride2": 3×3, s = 2, for 64 to 128 pixels; "imagenet": 7×7 with
    max-pooling, s = 4, for 224 pixels. Raises UsageError for another kind.
    """
    if kind not in get_args(Stem):
        raise UsageError(f"stem {kind!r} is unknown; use {', '.join(get_args(Stem))}")
    size, stride = {"cifar": (3, 1), "stride2": (3, 2), "imagenet": (7, 2)}[kind]
    layers = [nn.Conv2d(3, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(3, 2, 1)] if kind == "imagenet" else []))
