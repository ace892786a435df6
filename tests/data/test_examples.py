"""Labelled pictures: stable ids, and splits and subsets that do not depend on the order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples, concatenate


def examples(classes=3, each=10, prefix=""):
    count = classes * each
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    ids = tuple(f"{prefix}{number:03d}" for number in range(count))
    names = tuple(f"{prefix}class{number}" for number in range(classes))
    return Examples(images, torch.arange(classes).repeat_interleave(each), ids, names)


def shuffled(data, seed):
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    ids = tuple(data.ids[i] for i in order.tolist())
    return Examples(data.images[order], data.labels[order], ids, data.classes)


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 50))
def test_what_is_held_out_does_not_depend_on_the_order(order, fraction, seed):
    data = examples()
    other = shuffled(data, order)
    chosen = {id for id, held in zip(data.ids, data.hold_out(fraction, seed).tolist(), strict=True) if held}
    again = {id for id, held in zip(other.ids, other.hold_out(fraction, seed).tolist(), strict=True) if held}
    assert chosen == again
    mask = data.hold_out(fraction, seed)
    assert torch.bincount(data.labels[mask], minlength=3).tolist() == [round(fraction * 10)] * 3


def test_another_seed_holds_out_others_and_a_new_photo_changes_nothing_for_the_rest():
    data = examples(1, 40)
    assert not data.hold_out(0.5, 0).equal(data.hold_out(0.5, 1))
    first = data.hold_out(0.2, 0)
    fewer = data.select(torch.arange(40) != 39)
    assert int((fewer.hold_out(0.2, 0) != first[:39]).sum()) <= 1


def test_select_keeps_ids_beside_their_pictures():
    data = examples()
    mask = torch.arange(30) % 4 == 1
    part = data.select(mask)
    assert len(part) == 8
    assert part.images[:, 0, 0, 0].tolist() == [int(id) for id in part.ids]
    assert part.labels.equal(data.labels[mask])
    assert part.classes == data.classes


@pytest.mark.parametrize("chosen", [torch.tensor([3, 4]), torch.arange(30), torch.ones(29, dtype=torch.bool)])
def test_select_refuses_positions_and_masks_of_another_length(chosen):
    with pytest.raises(UsageError, match=r"the data needs \(30,\) bool"):
        examples().select(chosen)


def test_concatenate_puts_the_classes_side_by_side():
    whole = concatenate([examples(2, 3, "a"), examples(3, 2, "b")])
    assert whole.classes == ("aclass0", "aclass1", "bclass0", "bclass1", "bclass2")
    assert whole.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(whole.ids)) == len(whole) == len(whole.images) == 12
    with pytest.raises(UsageError, match="share a class name"):
        concatenate([examples(), examples()])


@given(st.integers(0, 10**6))
def test_sorted_undoes_every_order(order):
    data = examples()
    again = shuffled(data, order).sort()
    assert again.ids == data.ids
    assert again.images.equal(data.images)
    assert again.labels.equal(data.labels)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_a_limit_takes_the_same_examples_in_any_order_and_a_smaller_one_some_of_them(order, limit):
    data = examples()
    taken = data.limit(limit)
    assert torch.bincount(taken.labels).tolist() == [min(limit, 10)] * 3
    assert list(taken.ids) == sorted(taken.ids)
    assert set(shuffled(data, order).limit(limit).ids) == set(taken.ids)
    assert set(taken.ids) <= set(data.limit(limit + 1).ids)


def test_a_limit_is_no_mere_head_and_must_leave_something():
    data = examples()
    assert data.limit(None) is data
    assert data.limit(3).ids != tuple(id for id in data.ids if int(id) % 10 < 3)
    with pytest.raises(UsageError, match="limit 0 leaves no pictures"):
        data.limit(0)


@pytest.mark.parametrize("shape", [(40, 40), (30, 52), (51, 36)])
def test_resizing_agrees_with_pillow(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape, 3), np.uint8)
    data = Examples(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.zeros(3).long(), ("a", "b", "c"), ("x",))
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    for size in (32, 64):
        for image, source in zip(data.resize(size).images, pixels, strict=True):
            square = Image.fromarray(source[top : top + side, left : left + side])
            expected = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC)).astype(int)
            assert np.abs(image.permute(1, 2, 0).numpy() - expected).max() <= 1


def test_the_own_size_changes_nothing_and_none_is_no_size():
    data = examples()
    assert data.resize(None) is data
    assert data.resize(2) is data
    with pytest.raises(UsageError, match="size 0 is no picture size"):
        data.resize(0)


GOOD = {
    "images": torch.zeros(2, 3, 4, 5, dtype=torch.uint8), "labels": torch.tensor([1, 0]), "ids": ("a", "b"),
    "classes": ("x", "y"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"images": torch.rand(2, 3, 4, 5)}, "images are torch.float32; give uint8 in 0 to 255"),
        ({"images": torch.zeros(2, 4, 5, 3, dtype=torch.uint8)}, r"the shape \(2, 4, 5, 3\); give \(n, 3, height"),
        ({"images": torch.zeros(3, 4, 5, dtype=torch.uint8)}, r"the shape \(3, 4, 5\)"),
        ({"labels": torch.tensor([1.0, 0.0])}, r"labels are torch.float32 \(2,\); give int64"),
        ({"labels": torch.tensor([1])}, r"labels are torch.int64 \(1,\); give int64, one for each of 2"),
        ({"labels": torch.tensor([2, 0])}, "label 2 names none of the 2 classes"),
        ({"labels": torch.tensor([0, -1])}, "label -1 names none of the 2 classes"),
        ({"ids": ("a",)}, "1 ids for 2 images"),
        ({"ids": ("a", "a")}, "id 'a' stands for two images"),
    ],
)
def test_what_are_no_examples_is_refused_in_one_line(changed, told):
    assert len(Examples(**GOOD)) == 2
    with pytest.raises(UsageError, match=told) as caught:
        Examples(**{**GOOD, **changed})
    assert "\n" not in str(caught.value)
