"""Noise on a small patch at a random place of each picture (Appendix F, Table 5): cutting out and pasting, batch-wise.

A place is (row, column) of the patch's upper left pixel; the whole patch lies inside the picture.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from faceshield.core.errors import UsageError
from faceshield.noise.pgd import Transform

Size = tuple[int, int]  # (height, width) in pixels


def draw_places(count: int, picture: Size, patch: Size, generator: Generator) -> Tensor:
    """(count, 2) int64 places, each one as likely as any other, on ``generator``'s device.

    Raises UsageError where the patch is empty or larger than the picture.
    """
    if not all(0 < inner <= outer for inner, outer in zip(patch, picture, strict=True)):
        raise UsageError(
            f"a patch of {patch[0]}×{patch[1]} pixels does not fit in pictures of {picture[0]}×{picture[1]}; "
            "each side must be at least 1 and no longer than the picture's"
        )
    ends = [outer - inner + 1 for inner, outer in zip(patch, picture, strict=True)]
    device = generator.device
    return torch.stack([torch.randint(end, (count,), generator=generator, device=device) for end in ends], 1)


def _index_pixels(places: Tensor, patch: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of the patches' pixels: the example (N, 1, 1), the row (N, h, 1) and the column (N, 1, w)."""
    device = places.device
    rows = places[:, 0, None] + torch.arange(patch[0], device=device)
    columns = places[:, 1, None] + torch.arange(patch[1], device=device)
    return torch.arange(len(places), device=device)[:, None, None], rows[:, :, None], columns[:, None, :]


def cut(images: Tensor, places: Tensor, patch: Size) -> Tensor:
    """(N, 3, h, w): what stands in ``images`` (N, 3, H, W) at ``places`` (N, 2)."""
    each, rows, columns = _index_pixels(places, patch)
    return images[each, :, rows, columns].permute(0, 3, 1, 2)


def paste(images: Tensor, patches: Tensor, places: Tensor) -> Tensor:
    """``images`` (N, 3, H, W) with ``patches`` (N, 3, h, w) in place of what stood at ``places`` (N, 2).

    Differentiable in both; nothing given is changed.
    """
    each, rows, columns = _index_pixels(places, (patches.shape[2], patches.shape[3]))
    pasted = images.clone()
    pasted[each, :, rows, columns] = patches.permute(0, 2, 3, 1)
    return pasted


def spread(delta: Tensor, places: Tensor, picture: Size) -> Tensor:
    """(N, 3, H, W): δ (N, 3, h, w) at its place, zero elsewhere."""
    return paste(delta.new_zeros(len(delta), delta.shape[1], *picture), delta, places)


def paste_first(images: Tensor, places: Tensor, view: Transform | None) -> Transform:
    """The transform that puts noisy patches back into ``images`` and then applies ``view``, if any."""

    def transform(patches: Tensor, rng: Generator) -> Tensor:
        whole = paste(images, patches, places)
        return whole if view is None else view(whole, rng)

    return transform
