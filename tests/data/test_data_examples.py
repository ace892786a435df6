"""Labelled pictures: stable ids, splits that do not depend on the order, trees of folders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples, concatenate, read_tree


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
    chosen = {id for id, held in zip(data.ids, data.held_out(fraction, seed).tolist(), strict=True) if held}
    again = {id for id, held in zip(other.ids, other.held_out(fraction, seed).tolist(), strict=True) if held}
    assert chosen == again
    mask = data.held_out(fraction, seed)
    assert torch.bincount(data.labels[mask], minlength=3).tolist() == [round(fraction * 10)] * 3


def test_another_seed_holds_out_others_and_a_new_photo_changes_nothing_for_the_rest():
    data = examples(1, 40)
    assert not data.held_out(0.5, 0).equal(data.held_out(0.5, 1))
    first = data.held_out(0.2, 0)
    fewer = data.select(torch.arange(40) != 39)
    assert int((fewer.held_out(0.2, 0) != first[:39]).sum()) <= 1


def test_select_keeps_ids_beside_their_pictures():
    data = examples()
    mask = torch.arange(30) % 4 == 1
    part = data.select(mask)
    assert len(part) == 8
    assert part.images[:, 0, 0, 0].tolist() == [int(id) for id in part.ids]
    assert part.labels.equal(data.labels[mask])
    assert part.classes == data.classes


def test_concatenate_puts_the_classes_side_by_side():
    whole = concatenate([examples(2, 3, "a"), examples(3, 2, "b")])
    assert whole.classes == ("aclass0", "aclass1", "bclass0", "bclass1", "bclass2")
    assert whole.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(whole.ids)) == len(whole) == len(whole.images) == 12
    with pytest.raises(UsageError, match="share a class name"):
        concatenate([examples(), examples()])


@pytest.fixture
def tree(put, tmp_path):
    rng = np.random.default_rng(0)
    for person, size in (("b", 6), ("a", 6), ("c", 6)):
        for name in ("2.png", "1.PNG", "3.bmp"):
            picture = rng.integers(0, 255, (size, size, 3), np.uint8, endpoint=True)
            put(tmp_path / "tree" / person / name, picture, name.split(".")[1].upper())
    (tmp_path / "tree/a/notes.txt").write_text("text")
    (tmp_path / "tree/README.md").write_text("text")
    return tmp_path / "tree"


def test_a_tree_is_read_in_sorted_order(tree, pixels):
    data = read_tree(tree)
    assert data.classes == ("a", "b", "c")
    assert data.ids == tuple(f"{person}/{name}" for person in "abc" for name in ("1.PNG", "2.png", "3.bmp"))
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.images.dtype == torch.uint8
    for image, id in zip(data.images, data.ids, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), pixels(tree / id))


def test_sizes_must_agree_or_be_given(tree, put):
    put(tree / "c/4.png", np.zeros((9, 5, 3), np.uint8))
    with pytest.raises(UsageError, match="pass a size"):
        read_tree(tree)
    assert read_tree(tree, 8).images.shape == (10, 3, 8, 8)


def test_grey_pictures_become_rgb(put, tmp_path):
    put(tmp_path / "t/a/1.png", np.full((4, 4), 9, np.uint8))
    assert (read_tree(tmp_path / "t").images == 9).all()
    assert read_tree(tmp_path / "t").images.shape == (1, 3, 4, 4)


def test_trees_that_are_none(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match="has no folders"):
            read_tree(path)
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="hold no pictures"):
        read_tree(tmp_path)


def test_a_broken_picture_in_a_tree_is_named(tree):
    (tree / "b/0.png").write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"b/0\.png: "):
        read_tree(tree)
