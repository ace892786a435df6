"""How often a classifier is right: overall, for each class, and what it mistakes for what (Table 1, Figure 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples


@dataclass(frozen=True)
class Scores:
    """How often a classifier is right.

    Attributes:
        accuracy: Over all examples, 0–1.
        class_accuracy: (classes,) float64; NaN for a class without examples.
        confusion: (classes, classes) int64, see :func:`confusion`.
    """

    accuracy: float
    class_accuracy: Tensor
    confusion: Tensor


def evaluate(predict: Callable[[Tensor], Tensor], data: Examples) -> Scores:
    """Scores on ``data`` of ``predict``, which maps uint8 images (n, 3, H, W) to int64 classes (n,).

    Raises UsageError for no examples at all and for predictions that are no classes of ``data``.
    """
    guess, classes = predict(data.images), len(data.classes)
    cells = confusion(guess, data.labels, classes)
    return Scores(accuracy(guess, data.labels), class_accuracy(guess, data.labels, classes), cells)


def accuracy(guess: Tensor, labels: Tensor) -> float:
    """The share of ``guess`` (n,) that equals ``labels`` (n,). Raises UsageError for none and for other shapes."""
    _check(guess, labels)
    if not len(labels):
        raise UsageError("no examples: accuracy needs at least one")
    return float((guess == labels).double().mean())


def class_accuracy(guess: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(classes,) float64: the accuracy on each class's own examples (the recall), NaN where it has none."""
    cells = confusion(guess, labels, classes).double()
    return cells.diag() / cells.sum(1)


def confusion(guess: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(classes, classes) int64 counts; the row is the true class, the column the predicted one.

    Raises UsageError for shapes that differ and for values outside 0 … classes − 1.
    """
    _check(guess, labels)
    for name, values in (("predicted", guess), ("true", labels)):
        if len(values) and not (values.min() >= 0 and values.max() < classes):
            raise UsageError(f"{name} classes reach from {values.min()} to {values.max()}; expected 0 to {classes - 1}")
    return torch.bincount(labels * classes + guess, minlength=classes**2).view(classes, classes)


def _check(guess: Tensor, labels: Tensor) -> None:
    if guess.shape != labels.shape or guess.dim() != 1:
        raise UsageError(f"predictions {tuple(guess.shape)} and labels {tuple(labels.shape)} must both be (n,)")
