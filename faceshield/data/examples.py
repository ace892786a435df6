"""Labelled pictures in memory, each with a stable id: the form in which noise and training see data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator


@dataclass(frozen=True)
class Examples:
    """images (n, 3, H, W) uint8 RGB · labels (n,) int64 into ``classes`` · ids[i] stable, unlike the order."""

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, chosen: Tensor) -> Examples:
        """The examples where ``chosen`` (n,) bool is True; labels and classes stay as they are."""
        index = chosen.nonzero()[:, 0]
        ids = tuple(self.ids[i] for i in index.tolist())
        return Examples(self.images[index], self.labels[index], ids, self.classes)

    def held_out(self, fraction: float, seed: int) -> Tensor:
        """(n,) bool: the last ``fraction`` of each class in an order drawn from the ids alone (not the file order)."""
        chosen = torch.zeros(len(self), dtype=torch.bool)
        for label in range(len(self.classes)):
            members = (self.labels == label).nonzero()[:, 0]
            draw = [torch.rand(1, generator=generator(seed, self.ids[i])).item() for i in members.tolist()]
            order = members[torch.tensor(draw).argsort()]
            chosen[order[: round(fraction * len(order))]] = True
        return chosen


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


def read_tree(root: Path, size: int | None = None) -> Examples:
    """Every picture of a folder-per-class tree, as PERSON/FILE ids in sorted order.

    ``size`` resizes to a square (antialiased); without it all pictures must have one size. Raises UsageError for a
    tree without class folders, with mixed sizes, or with a file that is named like a picture and is none.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not folders:
        raise UsageError(f"{root}: has no folders; expected one folder a person (or class) with pictures in it")
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    ids: list[str] = []
    for label, folder in enumerate(folders):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp", ".bmp"):
                continue
            try:
                with Image.open(path) as file:
                    image = file.convert("RGB")
            except OSError as error:
                raise UsageError(f"{path}: cannot be read as a picture ({error}); take it out") from None
            if size is not None and image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BICUBIC)
            pixels = np.asarray(image)
            if images and pixels.shape != images[0].shape:
                raise UsageError(f"{path}: is {image.size}, others differ; pass a size to bring all to one")
            images.append(pixels)
            labels.append(label)
            ids.append(f"{folder.name}/{path.name}")
    if not images:
        raise UsageError(f"{root}: its folders hold no pictures")
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return Examples(stacked, torch.tensor(labels), tuple(ids), tuple(folder.name for folder in folders))
