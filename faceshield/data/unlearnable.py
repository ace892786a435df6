"""Unlearnable examples: a data set's pictures with their noise added (§3.1, x′ = x + δ), rounded to bytes once."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.imaging.quantize import add_levels, to_levels

Variant = Literal["paper", "released-code"]
_CHUNK = 2048  # pictures in work at once: their δ as int32 is four times their own size


def unlearnable(
    data: Examples, noise: Noise, mask: Tensor | None = None, *, variant: Variant = "paper", place_seed: int = 0
) -> Examples:
    """``data`` with δ added where ``mask`` (n,) bool is True (everywhere without one); ``data`` itself is not changed.

    A "class" noise is looked up by class name, a "sample" noise by id. "paper" adds δ signed, rounded to whole levels
    once, at most ε·255 rounded down, and saturates at 0 and 255. "released-code" repeats the mistake of the authors'
    program: δ·255 is cut to [0, 255] and truncated to a byte first, which deletes the negative half.

    Noise of the pictures' size covers them. Smaller noise (Appendix F, Table 5) needs ``provenance["place"]``
    "random": it lies at a place of its own in each picture, drawn from ``place_seed`` and the id.
    Raises StoreError for a class or id that the noise was not made for; UsageError for noise that does not fit into the
    pictures, another ``place`` or ``variant``, and a mask of another shape.
    """
    if variant not in ("paper", "released-code"):
        raise UsageError(f"variant {variant!r} is unknown; use 'paper' or 'released-code'")
    chosen = torch.arange(len(data)) if mask is None else data.find(mask)
    ids = [data.ids[i] for i in chosen.tolist()]
    names = [data.classes[label] for label in data.labels[chosen].tolist()]
    rows = noise.rows(ids if noise.form == "sample" else names)
    corners = _corners(data, noise, ids, place_seed)
    images = data.images.clone()
    for part in torch.arange(len(chosen)).split(_CHUNK):
        levels = _levels(noise.delta[rows[part]].float(), noise.budget.epsilon, variant)
        covering = _place(levels, corners[part.numpy()], images.shape[2], images.shape[3])
        pixels = add_levels(images[chosen[part]].numpy(), covering, noise.budget.epsilon)
        images[chosen[part]] = torch.from_numpy(pixels)
    return replace(data, images=images)


def _levels(delta: Tensor, epsilon: float, variant: Variant) -> NDArray[np.int32]:
    """(k, 3, h, w) signed levels of 255."""
    if variant == "released-code":
        delta = (delta * 255).clamp(0, 255).floor() / 255
    return to_levels(delta.numpy(), epsilon, white=255)


def _corners(data: Examples, noise: Noise, ids: list[str], seed: int) -> NDArray[np.int64]:
    """(k, 2) row and column of each noise's upper left corner in its picture."""
    height, width = data.images.shape[2:]
    channels, noise_height, noise_width = noise.delta.shape[1:]
    place = noise.provenance.get("place")
    if place not in (None, "random"):
        raise UsageError(f"the noise asks to be placed {place!r}; only 'random' is known")
    fits = (
        (noise_height, noise_width) == (height, width)
        if place is None
        else noise_height <= height and noise_width <= width
    )
    if channels != 3 or not fits:
        hint = "" if place else " (a smaller patch must say place 'random')"
        raise UsageError(
            f"the noise is {channels}×{noise_height}×{noise_width}, the pictures are 3×{height}×{width}; "
            f"make the noise for this data{hint}"
        )
    rows, columns = height - noise_height + 1, width - noise_width + 1
    if rows * columns == 1:
        return np.zeros((len(ids), 2), np.int64)
    drawn = [divmod(derive_seed(seed, "place", id) % (rows * columns), columns) for id in ids]
    return np.array(drawn, np.int64).reshape(-1, 2)


def _place(levels: NDArray[np.int32], corners: NDArray[np.int64], height: int, width: int) -> NDArray[np.int32]:
    """(k, 3, height, width): ``levels`` (k, 3, h, w) at their corners, 0 around them."""
    noise_height, noise_width = levels.shape[2:]
    if (noise_height, noise_width) == (height, width):
        return levels
    canvas = np.zeros((len(levels), 3, height, width), np.int32)
    each = np.arange(len(levels))[:, None, None]
    rows = corners[:, 0, None] + np.arange(noise_height)
    columns = corners[:, 1, None] + np.arange(noise_width)
    canvas[each, :, rows[:, :, None], columns[:, None, :]] = levels.transpose(0, 2, 3, 1)
    return canvas
