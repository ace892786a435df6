"""The four networks of the paper's Table 1 by the names that recipes and result files use."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal

from faceshield.core.errors import UsageError
from faceshield.models.classifier import Classifier
from faceshield.models.densenet import densenet121
from faceshield.models.resnet import resnet18, resnet50
from faceshield.models.stem import Stem
from faceshield.models.vgg import vgg11_bn

STANDARD_WIDTH = 64
"""The published networks' width; half of it halves every layer's channels."""

Network = Literal["resnet18", "resnet50", "vgg11", "densenet121"]
NETWORKS: dict[str, Callable[..., Classifier]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "vgg11": vgg11_bn,
    "densenet121": densenet121,
}


def build(name: str, classes: int, *, width: int | None = None, stem: Stem = "cifar") -> Classifier:
    """A network for RGB pictures in [0, 1] with fresh weights from torch's global state (see
    training.loop.build_seeded).

    ``width`` is :data:`STANDARD_WIDTH` by default; it must be even. Raises UsageError for a name, width, number of
    classes or stem that no network has.
    """
    if name not in NETWORKS:
        near = get_close_matches(name, NETWORKS, 1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(NETWORKS)}"
        raise UsageError(f"model {name!r} is unknown; {hint}")
    if classes < 1:
        raise UsageError(f"{classes} classes cannot be told apart; a model needs at least 1")
    width = STANDARD_WIDTH if width is None else width
    if width < 2 or width % 2:
        raise UsageError(f"width {width} must be an even number from 2 up; {STANDARD_WIDTH} is the published network")
    return NETWORKS[name](classes, width=width, stem=stem)
