"""Fast AutoAugment's operations against torchvision's, picture by picture."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional

from faceshield.data.policy import brightness, contrast, fast_autoaugment, sharpness

FACTORS = torch.tensor([0.1, 0.5, 0.97, 1.0, 1.3, 1.9])


def floats(count=6, height=11, width=8, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (contrast, functional.adjust_contrast),
        (brightness, functional.adjust_brightness),
        (sharpness, functional.adjust_sharpness),
    ],
)
@pytest.mark.parametrize("size", [(11, 8), (2, 7)])
def test_each_operation_agrees_with_torchvision_at_each_pictures_own_factor(ours, theirs, size):
    images = floats(6, *size)
    out = ours(images, FACTORS)
    for image, factor, own in zip(images, FACTORS.tolist(), out, strict=True):
        torch.testing.assert_close(own, theirs(image, factor), rtol=0, atol=2e-6)
    assert out[3].equal(images[3])


def test_pictures_get_operations_of_their_own_and_no_more_than_asked_for():
    images = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = images.expand(300, -1, -1, -1)
    out = fast_autoaugment(images, torch.Generator().manual_seed(1))
    assert out.dtype == torch.uint8
    assert out.shape == images.shape
    assert len(out.unique(dim=0)) > 250
    again = fast_autoaugment(images, torch.Generator().manual_seed(1))
    assert out.equal(again)
    assert fast_autoaugment(images, torch.Generator().manual_seed(1), operations=0).equal(images)


def test_with_one_operation_each_of_the_five_is_met_as_often():
    images = floats(1, 20, 20).expand(1000, -1, -1, -1) * 0.4 + 0.1  # nothing reaches white
    out = fast_autoaugment(images, torch.Generator().manual_seed(2), operations=1)
    black = (out == 0).all(dim=1)  # (N, H, W)
    corners = black[:, 0, 0] | black[:, -1, -1] | black[:, 0, -1] | black[:, -1, 0]
    ratio = out / images
    even = (ratio.amax(dim=(1, 2, 3)) - ratio.amin(dim=(1, 2, 3))) < 1e-4  # brightness, or nothing at all to see
    same = (out == images).all(dim=3).all(dim=2).all(dim=1)
    rim = (out - images)[:, :, 0].abs().amax(dim=(1, 2)) < 1e-6
    edge = rim & ~same & ~black.any(dim=2).any(dim=1)
    assert 150 < int((even & ~same).sum()) < 250  # brightness
    factors = ratio[even & ~same].mean(dim=(1, 2, 3))
    assert 0.1 - 1e-4 <= float(factors.min()) < 0.15
    assert 1.85 < float(factors.max()) <= 1.9 + 1e-4
    assert 150 < int(edge.sum()) < 250  # sharpness leaves the outermost pixels
    assert 120 < int((corners & ~even).sum()) < 290  # rotation, and a few cutouts
    cut = black.any(dim=2).any(dim=1) & ~corners
    assert 100 < int(cut.sum()) < 250  # cutout
    assert int(black[cut].sum(dim=(1, 2)).max()) == 16  # a fifth of 20 pixels, squared


def test_bytes_and_floats_agree_to_a_level():
    images = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    one = fast_autoaugment(images, torch.Generator().manual_seed(5))
    other = fast_autoaugment(images / 255, torch.Generator().manual_seed(5))
    assert 0 <= float(other.min()) <= float(other.max()) <= 1
    assert float((one / 255 - other).abs().max()) <= 0.501 / 255


def test_pictures_are_turned_both_ways_up_to_thirty_degrees():
    """A bar through the middle, with nothing that the other operations could move."""
    images = torch.zeros(1000, 3, 41, 41)
    images[:, :, 20, 21:] = 0.4
    out = fast_autoaugment(images, torch.Generator().manual_seed(4), operations=1)
    tips = out[:, 0, :, 36]  # (N, 41): where the bar crosses a column 16 pixels right of the middle
    rows = torch.where(tips.amax(1) > 0.2, tips.argmax(1), 20) - 20
    slopes = torch.rad2deg(torch.atan2(-rows.float(), torch.tensor(16.0)))
    assert -32 < float(slopes.min()) < -26
    assert 26 < float(slopes.max()) < 32
    assert abs(float((slopes > 2).float().mean() - (slopes < -2).float().mean())) < 0.05
