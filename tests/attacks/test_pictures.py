"""Counter-measures that wash pictures, against Pillow, torchvision and what they are for."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.attacks.base import map_in_parts
from faceshield.attacks.table import COUNTERMEASURES, find_countermeasure
from faceshield.attacks.transforms import blur, grey, halve, recompress, recrop
from faceshield.core.errors import UsageError
from faceshield.imaging.warp import from_rgb


@pytest.fixture
def pictures(portrait):
    """(2, 3, 128, 128) uint8: two parts of a portrait."""
    return torch.cat([from_rgb(portrait[20:148, 40:168].copy()), from_rgb(portrait[60:188, 60:188].copy())])


def rgb(pictures, number):
    return pictures[number].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_jpeg_is_that_of_pillow(pictures, quality):
    ours = recompress(pictures, quality=quality)
    for number in range(2):
        stored = io.BytesIO()
        Image.fromarray(rgb(pictures, number)).save(stored, "JPEG", quality=quality, subsampling=2)
        theirs = np.asarray(Image.open(stored), int)
        assert np.abs(rgb(ours, number) - theirs).mean() < 1.2
    assert not ours.equal(pictures)


def test_grey_is_pillows(pictures):
    ours = grey(pictures)
    for number in range(2):
        theirs = np.asarray(Image.fromarray(rgb(pictures, number)).convert("L"), int)
        assert np.abs(rgb(ours, number) - theirs[..., None]).max() <= 1


def test_half_size_and_blur_take_what_is_fine_and_leave_what_is_coarse():
    rows = torch.arange(64)
    fine = ((rows % 2) * 200).to(torch.uint8).expand(1, 3, 64, 64)
    coarse = ((rows // 32) * 200).to(torch.uint8).expand(1, 3, 64, 64)
    for change in (halve, blur):
        middle = change(fine)[..., 8:-8, 8:-8].float()
        assert float(middle.max() - middle.min()) < 12
        assert float((change(coarse).float() - coarse).abs().mean()) < 8


def test_recrop_is_pillows_box(pictures):
    ours = recrop(pictures)
    box = (14, 6, 14 + 108, 6 + 108)  # 84 % of 128 pixels, its middle 4 pixels right and up
    theirs = Image.fromarray(rgb(pictures, 0)).resize((128, 128), Image.Resampling.BILINEAR, box=box)
    assert np.abs(rgb(ours, 0).astype(int) - np.asarray(theirs, int)).mean() < 1.5


@pytest.mark.parametrize("name", [name for name, one in COUNTERMEASURES.items() if one.pictures])
def test_each_keeps_shape_and_type_and_what_it_was_given(pictures, name):
    before = pictures.clone()
    after = COUNTERMEASURES[name].apply(pictures)
    assert after.shape == pictures.shape
    assert after.dtype == torch.uint8
    assert pictures.equal(before)
    assert not after.equal(pictures)
    assert after[:1].equal(COUNTERMEASURES[name].apply(pictures[:1])), "pictures do not change one another"


def test_parts_are_joined_in_order():
    pictures = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 2, 2).contiguous()
    assert map_in_parts(lambda part: part, pictures, size=2).equal(pictures)
    assert len(map_in_parts(lambda part: part, pictures[:0])) == 0


def test_plain_training_changes_nothing_and_an_unknown_name_lists_the_known(pictures):
    assert find_countermeasure("none").apply(pictures) is pictures
    assert find_countermeasure("none").training() == {}
    assert set(find_countermeasure("mixup").training()) == {"mix"}
    with pytest.raises(UsageError, match=r"'jpeg-1' is unknown; use none, jpeg-90"):
        find_countermeasure("jpeg-1")
