"""The training augmentation against every crop it may take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceshield.data.augment import crop_and_flip


def possible(image, pad, flips):
    """All crops of the edge-padded picture, mirrored and not, as bytes → (dy, dx, mirrored)."""
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    height, width = image.shape[1:]
    found = {}
    for dy in range(2 * pad + 1):
        for dx in range(2 * pad + 1):
            crop = padded[:, dy : dy + height, dx : dx + width]
            for mirrored in flips:
                found[np.ascontiguousarray(crop[:, :, ::-1] if mirrored else crop).tobytes()] = (dy, dx, mirrored)
    return found


@pytest.mark.parametrize(("pad", "flip"), [(4, 0.5), (2, 0.0), (0, 0.5), (0, 0.0), (1, 1.0)])
def test_every_result_is_a_crop_it_may_take_and_all_are_taken(pad, flip):
    images = torch.randint(0, 256, (400, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images = images[:1].expand(400, -1, -1, -1).contiguous()
    out = crop_and_flip(images, torch.Generator().manual_seed(0), pad=pad, flip=flip)
    assert out.shape == images.shape
    assert out.dtype == images.dtype
    allowed = possible(images[0].numpy(), pad, {0.0: [False], 1.0: [True]}.get(flip, [False, True]))
    drawn = [allowed[np.ascontiguousarray(picture).tobytes()] for picture in out.numpy()]
    assert len(set(drawn)) > 0.8 * len(allowed)
    if flip == 0.5:
        assert 0.4 < np.mean([mirrored for _, _, mirrored in drawn]) < 0.6


def test_repeatable_and_the_pictures_are_not_mixed():
    images = torch.arange(12, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    first, second = (crop_and_flip(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.equal(second)
    assert first.equal(images)


def test_floats_are_kept_exactly():
    images = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    out = crop_and_flip(images, torch.Generator().manual_seed(0), pad=0, flip=1.0)
    assert out.equal(images.flip(-1))
