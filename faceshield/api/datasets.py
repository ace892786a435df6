"""Noise for any map-style data set or loader of labelled RGB pictures, and the data set that carries it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.imaging.quantize import add_levels, to_levels
from faceshield.noise.base import OnRound
from faceshield.noise.error_min import ErrorMin as Algorithm1

Pixels = NDArray[np.uint8]


class ErrorMin:
    """Error-minimizing noise for a data set: Algorithm 1 of the paper.

    form      "class": one δ a class; "sample": one a picture
    eps       ‖δ‖∞, as a share of the pixel range
    settings  fields of :class:`faceshield.noise.ErrorMin`, such as ``steps``, ``rounds``, ``stop_error``; by default
              the paper's for CIFAR-10
    """

    def __init__(self, form: Form = "class", *, eps: float = 8 / 255, **settings: Any) -> None:
        """Raises UsageError for another form, ``eps`` outside (0, 1] and a setting that is unknown."""
        make = Algorithm1.sample_wise if form == "sample" else Algorithm1
        try:
            self.method = make(**{"form": form, "budget": Budget(eps), "alpha": eps / 10, **settings})
        except TypeError as error:
            raise UsageError(f"{error}; see faceshield.noise.ErrorMin for the settings") from None

    def generate(
        self,
        dataset: Dataset[Any] | DataLoader[Any],
        model: nn.Module,
        *,
        seed: int = 0,
        lr: float = 0.1,
        device: str = "cpu",
        on_round: OnRound | None = None,
    ) -> Noise:
        """Noise for the pictures of ``dataset``, or of the data set behind a loader, whatever order that gives.

        The data set gives (picture, label), the same ones each time: random transforms belong into the training. They
        are read once and kept as bytes in memory. ``model`` (float RGB in [0, 1] to logits) is the surrogate: a copy of
        it is fitted by SGD at the rate ``lr``. ``on_round(round, error, δ)`` hears of each round.
        """
        from faceshield.training.learner import learner
        from faceshield.training.runtime import Runtime

        data = read_examples(dataset)
        surrogate = learner(copy.deepcopy(model), Runtime.best(device), lr=lr)
        return self.method.generate(data, surrogate, seed=seed, on_round=on_round)


class Unlearnable(Dataset[tuple[Any, Any]]):
    """``dataset`` with ``noise`` added to each picture as it is read (§3.1): x′ = x + δ, rounded to bytes once.

    A picture keeps its kind: a PIL image, uint8 (3, H, W) tensor or (H, W, 3) array, or float (3, H, W) tensor in
    [0, 1]. What the data set keeps on disk stays there. ``protected`` are the indices that get noise, all by default.
    """

    def __init__(self, dataset: Dataset[Any], noise: Noise, protected: Sequence[int] | None = None) -> None:
        """Raises UsageError for a data set without indices, StoreError for noise made for other classes or pictures."""
        self.dataset = to_map_style(dataset)
        self.noise = noise
        self.classes = getattr(dataset, "classes", None)
        self._rows = {key: row for row, key in enumerate(noise.keys)}
        self._protected = None if protected is None else frozenset(protected)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture, label = self.dataset[index]
        if self._protected is not None and index not in self._protected:
            return picture, label
        key = format_picture_id(index) if self.noise.form == "sample" else format_class(label, self.classes)
        if key not in self._rows:
            raise StoreError(f"the noise has no entry {key!r}; it was made for other data")
        pixels, epsilon = read_pixels(picture), self.noise.budget.epsilon
        delta = self.noise.delta[self._rows[key]].permute(1, 2, 0).numpy()
        if delta.shape != pixels.shape:
            raise UsageError(f"the noise is {delta.shape}, picture {index} is {pixels.shape}; make it for this data")
        return like(picture, add_levels(pixels, to_levels(delta, epsilon, white=255), epsilon)), label


def read_examples(dataset: Dataset[Any] | DataLoader[Any]) -> Examples:
    """All of a data set in memory: classes by their names where it has ``classes``, else by their numbers.

    Raises UsageError for a data set that can only be iterated, pictures of several sizes, and labels that are no whole
    numbers.
    """
    source = to_map_style(dataset)
    if not len(source):
        raise UsageError("the data set is empty; noise needs pictures")
    names = getattr(source, "classes", None)
    pictures, labels = [], []
    for index in range(len(source)):
        picture, label = source[index]
        pictures.append(torch.from_numpy(read_pixels(picture)).permute(2, 0, 1))
        labels.append(format_class(label, names))
        if pictures[-1].shape != pictures[0].shape:
            raise UsageError(
                f"picture {index} is {tuple(pictures[-1].shape)}, the first {tuple(pictures[0].shape)}; resize them"
            )
    classes = tuple(map(str, names)) if names is not None else tuple(sorted(set(labels), key=int))
    numbers = {name: number for number, name in enumerate(classes)}
    ids = tuple(format_picture_id(index) for index in range(len(source)))
    return Examples(torch.stack(pictures), torch.tensor([numbers[name] for name in labels]), ids, classes)


def to_map_style(dataset: Any) -> Any:
    """``dataset``, or the one behind a loader. Raises UsageError where its pictures have no indices."""
    source = dataset.dataset if isinstance(dataset, DataLoader) else dataset
    if isinstance(source, IterableDataset) or not (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
        raise UsageError(f"{type(source).__name__} has no indices; use a data set with __len__ and __getitem__")
    return source


def format_picture_id(index: int) -> str:
    """The key of a picture's noise: its index in the data set, which no loader's order changes."""
    return f"{index:09d}"


def format_class(label: Any, names: Sequence[str] | None) -> str:
    """The key of a class's noise. Raises UsageError for a label that is no whole number, or beyond ``names``."""
    try:
        number = int(label)
    except (TypeError, ValueError):
        raise UsageError(f"label {label!r} is invalid; use whole numbers from 0") from None
    if number != label or number < 0 or (names is not None and number >= len(names)):
        raise UsageError(
            f"label {label!r} is invalid; use whole numbers from 0" + (f" to {len(names) - 1}" if names else "")
        )
    return str(number if names is None else names[number])


def read_pixels(picture: Any) -> Pixels:
    """(H, W, 3) uint8 of an RGB picture of any kind that :class:`Unlearnable` knows. UsageError for another one."""
    if isinstance(picture, Image.Image):
        return np.array(picture.convert("RGB"))
    if isinstance(picture, Tensor):
        values = picture.detach().cpu()
        if values.is_floating_point():
            if values.numel() and not (float(values.min()) >= 0 and float(values.max()) <= 1):
                raise UsageError(
                    f"a picture reaches from {values.min():g} to {values.max():g}; bring it to [0, 1] and normalise"
                    " inside the model"
                )
            values = values.mul(255).round().byte()
        picture = values.permute(1, 2, 0).contiguous().numpy() if values.ndim == 3 else values.numpy()
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise UsageError(f"a picture is {array.shape} {array.dtype}; use RGB of 8 bits, or floats in [0, 1]")
    return array


def like(picture: Any, pixels: Pixels) -> Any:
    """``pixels`` (H, W, 3) as the kind of picture that ``picture`` is."""
    if isinstance(picture, Image.Image):
        return Image.fromarray(pixels)
    if not isinstance(picture, Tensor):
        return pixels
    planes = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(picture.device)
    return planes.to(picture.dtype) / 255 if picture.is_floating_point() else planes
