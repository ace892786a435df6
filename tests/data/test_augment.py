"""The training augmentation against every result it may have, and against torchvision."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from faceshield.data.augment import compose, crop_and_flip, cutout, rotate, rotate_by


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


def batch(count=16, height=12, width=9, seed=0):
    return torch.randint(
        1, 256, (count, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 33)])
def test_turning_agrees_with_torchvision(height, width):
    images = batch(12, height, width)
    angle = torch.tensor([-81.0, -33.3, -20.0, -7.7, -1.0, 0.0, 0.4, 5.5, 13.0, 45.0, 100.0, 180.0])
    out = rotate_by(images, angle)
    assert out.dtype == torch.uint8
    for image, degrees, own in zip(images, angle.tolist(), out, strict=True):
        expected = functional.rotate(image, degrees, functional.InterpolationMode.NEAREST)
        assert float((own != expected).float().mean()) < 0.01  # a source right between two pixels
    assert out[5].equal(images[5])


def test_rotations_are_within_their_range_and_each_its_own():
    seen = torch.zeros(400, 3, 41, 41)
    seen[:, :, 20, 36] = 1  # right of the middle, 16 pixels away
    out = rotate(seen, torch.Generator().manual_seed(0), degrees=30)
    # the brightest row tells the angle: up for positive ones
    lit = out[:, 0].flatten(1).argmax(1)
    found = lit[out[:, 0].flatten(1).amax(1) > 0]
    rows, columns = found // 41 - 20, found % 41 - 20
    angles = torch.rad2deg(torch.atan2(-rows.float(), columns.float()))
    assert -32 < float(angles.min()) < -25
    assert 25 < float(angles.max()) < 32
    assert len(angles.unique()) > 15


@pytest.mark.parametrize(("size", "dtype"), [(16, torch.uint8), (4, torch.float32), (5, torch.uint8)])
def test_cutout_blacks_out_one_square_around_any_pixel(size, dtype):
    images = batch(1, 12, 9).to(dtype).expand(900, -1, -1, -1)
    out = cutout(images, torch.Generator().manual_seed(0), size=size)
    assert out.dtype == dtype
    allowed = {}
    for row in range(12):
        for column in range(9):
            top, left = row - size // 2, column - size // 2
            high, wide = min(top + size, 12) - max(top, 0), min(left + size, 9) - max(left, 0)
            expected = functional.erase(images[0], max(top, 0), max(left, 0), high, wide, torch.zeros(1, dtype=dtype))
            allowed[expected.numpy().tobytes()] = (row, column)
    drawn = {allowed[picture.numpy().tobytes()] for picture in out}
    assert len(drawn) > 0.95 * len(set(allowed.values()))


def test_a_composition_is_one_after_the_other():
    images, rng = batch(), torch.Generator().manual_seed(4)
    expected = cutout(crop_and_flip(images, rng), rng, size=6)
    got = compose(crop_and_flip, partial(cutout, size=6))(images, torch.Generator().manual_seed(4))
    assert got.equal(expected)
    assert compose()(images, rng) is images
