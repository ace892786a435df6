"""Labelled pictures in memory, each with a stable id: the form in which noise and training see data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed, generator

HELD_OUT = 0.2
"""The fraction of each class's pictures that are for the test where nobody has chosen them (paper §4.5)."""

_CHUNK = 1024  # pictures that are resized at once


@dataclass(frozen=True)
class Examples:
    """images (n, 3, H, W) uint8 RGB · labels (n,) int64 into ``classes`` · ids[i] stable, unlike the order, and unique.

    Raises UsageError for anything else, such as float pictures in [0, 1], which would be divided by 255 once more.
    """

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels, count = self.images, self.labels, len(self.ids)
        if images.dtype != torch.uint8:
            raise UsageError(
                f"images are {images.dtype}; give uint8 in 0 to 255, (x * 255).round().byte() of x in [0, 1]"
            )
        if images.dim() != 4 or images.shape[1] != 3:
            raise UsageError(f"images have the shape {tuple(images.shape)}; give (n, 3, height, width), RGB")
        if labels.dtype != torch.int64 or labels.shape != (len(images),):
            raise UsageError(
                f"labels are {labels.dtype} {tuple(labels.shape)}; give int64, one for each of {len(images)}"
            )
        if count != len(images):
            raise UsageError(f"{count} ids for {len(images)} images; give each its own")
        wrong = labels[(labels < 0) | (labels >= len(self.classes))]
        if len(wrong):
            raise UsageError(f"label {int(wrong[0])} names none of the {len(self.classes)} classes; they count from 0")
        if len(set(self.ids)) != count:
            twice = next(name for name, times in Counter(self.ids).items() if times > 1)
            raise UsageError(f"id {twice!r} stands for two images; give each its own")

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, chosen: Tensor) -> Examples:
        """The examples where ``chosen`` (n,) bool is True; labels and classes stay as they are.

        Raises as :meth:`find`.
        """
        return self._at(self.find(chosen))

    def find(self, mask: Tensor) -> Tensor:
        """(k,) int64: the places of the examples where ``mask`` (n,) bool is True, in order.

        Raises UsageError for a mask of another shape or type: places would be taken for truth values.
        """
        if mask.shape != (len(self),) or mask.dtype != torch.bool:
            raise UsageError(f"the mask is {tuple(mask.shape)} {mask.dtype}; the data needs ({len(self)},) bool")
        return mask.nonzero()[:, 0]

    def select_classes(self, names: Sequence[str]) -> Examples:
        """The examples of some classes, which are then all the classes there are, in the order of ``names``.

        Raises UsageError naming the first class that is not there.
        """
        absent = next((name for name in names if name not in self.classes), None)
        if absent is not None:
            raise UsageError(f"class {absent!r} is not in the data; check its spelling")
        position = torch.full((len(self.classes),), -1)
        position[[self.classes.index(name) for name in names]] = torch.arange(len(names))
        chosen = self.select(position[self.labels] >= 0)
        return replace(chosen, labels=position[chosen.labels], classes=tuple(names))

    def sort(self) -> Examples:
        """The same examples in the order of their ids, whatever order the files came in."""
        return self._at(torch.tensor(sorted(range(len(self)), key=self.ids.__getitem__), dtype=torch.long))

    def limit(self, limit: int | None) -> Examples:
        """At most ``limit`` examples a class, drawn from the ids alone, in the present order; all where it is None.

        A smaller limit takes a subset of a larger one's. Raises UsageError for a limit below 1.
        """
        if limit is None:
            return self
        kept: list[int] = []
        for label in range(len(self.classes)):
            members = (self.labels == label).nonzero()[:, 0].tolist()
            kept += [members[i] for i in choose_limited([self.ids[i] for i in members], limit)]
        return self._at(torch.tensor(sorted(kept), dtype=torch.long))

    def resize(self, size: int | None) -> Examples:
        """The middle square of each picture at ``size`` × ``size`` (bicubic, antialiased); unchanged where it is None.

        Raises UsageError for a size below 1.
        """
        height, width = self.images.shape[2:]
        if size is None or (height, width) == (size, size):
            return self
        refuse_size(size)
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = self.images[:, :, top : top + side, left : left + side]
        parts = [F.interpolate(part, (size, size), mode="bicubic", antialias=True) for part in square.split(_CHUNK)]
        return replace(self, images=torch.cat(parts))

    def hold_out(self, fraction: float, seed: int) -> Tensor:
        """(n,) bool: the last ``fraction`` of each class in an order drawn from the ids alone (not the file order)."""
        chosen = torch.zeros(len(self), dtype=torch.bool)
        for label in range(len(self.classes)):
            members = (self.labels == label).nonzero()[:, 0]
            draw = [torch.rand(1, generator=generator(seed, self.ids[i])).item() for i in members.tolist()]
            order = members[torch.tensor(draw).argsort()]
            chosen[order[: round(fraction * len(order))]] = True
        return chosen

    def _at(self, index: Tensor) -> Examples:
        ids = tuple(self.ids[i] for i in index.tolist())
        return Examples(self.images[index], self.labels[index], ids, self.classes)


def concatenate(parts: Sequence[Examples]) -> Examples:
    """One set with the classes of all parts side by side (no class may stand in two of them)."""
    classes = tuple(name for part in parts for name in part.classes)
    if len(set(classes)) != len(classes):
        raise UsageError("the sets share a class name; rename one of them")
    offsets = np.cumsum([0, *(len(part.classes) for part in parts)])
    return Examples(
        torch.cat([part.images for part in parts]),
        torch.cat([part.labels + int(offset) for part, offset in zip(parts, offsets, strict=False)]),
        tuple(name for part in parts for name in part.ids),
        classes,
    )


def shuffle_by_id(ids: Sequence[str], *words: object) -> list[int]:
    """Positions in ``ids`` in an order drawn from ``words`` and each id alone: one id more moves none of the rest."""
    return sorted(range(len(ids)), key=lambda i: derive_seed(*words, ids[i]))


def choose_limited(ids: Sequence[str], limit: int) -> list[int]:
    """Positions of at most ``limit`` of ``ids``, drawn from them alone, ascending. UsageError for a limit below 1."""
    if limit < 1:
        raise UsageError(f"limit {limit} leaves no pictures; ask for at least 1 a class")
    return sorted(shuffle_by_id(ids, "limit")[:limit])


def refuse_size(size: int) -> None:
    """Raises UsageError for a picture size below 1."""
    if size < 1:
        raise UsageError(f"size {size} is no picture size; use a whole number of pixels, for example 32")
