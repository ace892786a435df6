"""Class folders of PNG files: the pixels that go in, whole or not at all; and which pictures are to be protected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.core.errors import StoreError, UsageError
from faceshield.data.examples import Examples
from faceshield.data.sources import open_data, open_training_part
from faceshield.data.tree import read_tree
from faceshield.data.tree_out import write_tree


@pytest.fixture
def data():
    images = torch.randint(0, 256, (5, 3, 6, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ids = ("cat/0.png", "cat/1.png", "dog/0.png", "dog/x.y.png", "dog/2.png")
    return Examples(images, torch.tensor([0, 0, 1, 1, 1]), ids, ("cat", "dog"))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_is_written_is_read_with_the_same_ids(data, tmp_path):
    heard = []
    write_tree(data, tmp_path / "below/out", on_written=lambda *count: heard.append(count))
    again = read_tree(tmp_path / "below/out")
    assert again.ids == data.sort().ids
    assert again.images.equal(data.sort().images)
    assert again.classes == data.classes
    assert heard[-1] == (5, 5)
    with Image.open(tmp_path / "below/out/dog/x.y.png") as picture:
        assert picture.format == "PNG"
        assert (np.asarray(picture) == data.images[3].permute(1, 2, 0).numpy()).all()
    assert names(tmp_path) == sorted(["below", "below/out", "below/out/cat", "below/out/dog", *(
        f"below/out/{id}" for id in data.ids
    )])  # fmt: skip


@pytest.mark.parametrize(
    ("id", "file"),
    [
        ("cat/5.jpg", "cat/5.png"),
        ("cat/my.photo.JPEG", "cat/my.photo.png"),
        ("data_batch_1/00007", "cat/data_batch_1-00007.png"),
        ("digits/0001", "cat/digits-0001.png"),
        ("cat/v1.5", "cat/v1.5.png"),
        ("cat/..", "cat/...png"),
        ("../../x.png", "cat/..-..-x.png"),
    ],
)
def test_names_of_files(data, tmp_path, id, file):
    write_tree(replace(data, ids=(id, *data.ids[1:])), tmp_path / "out")
    assert file in names(tmp_path / "out")


@pytest.mark.parametrize("label", ["../dog", "..", ".dog", "", "a/b"])
def test_a_class_that_leads_elsewhere(data, tmp_path, label):
    with pytest.raises(UsageError, match="cannot be the name of a folder"):
        write_tree(replace(data, classes=("cat", label)), tmp_path / "out")
    assert names(tmp_path) == []


def test_two_pictures_of_one_name(data, tmp_path):
    with pytest.raises(UsageError, match=r"'cat/0\.png' and 'cat/0\.jpg' would both become"):
        write_tree(replace(data, ids=("cat/0.png", "cat/0.jpg", *data.ids[2:])), tmp_path / "out")
    assert names(tmp_path) == []


def test_a_folder_that_is_there_is_left_alone(data, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_tree(data, tmp_path / "out")
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_a_stop_leaves_nothing(data, tmp_path, monkeypatch, failure):
    real, count = Image.Image.save, []

    def save(self, path, *rest, **options):
        count.append(path)
        if len(count) == 4:
            raise failure
        real(self, path, *rest, **options)

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(StoreError if isinstance(failure, OSError) else KeyboardInterrupt) as caught:
        write_tree(data, tmp_path / "out")
    assert names(tmp_path) == []
    if isinstance(failure, OSError):
        assert str(caught.value).endswith("cannot be written (No space left on device); choose another folder")


def test_a_plain_folder_is_protected_whole_and_a_split_one_in_its_training_part(data, tmp_path):
    write_tree(data, tmp_path / "plain")
    assert open_training_part(tmp_path / "plain").ids == data.sort().ids
    assert len(open_training_part(tmp_path / "plain", size=3, limit=1)) == 2
    write_tree(data, tmp_path / "split/train")
    write_tree(data, tmp_path / "split/test")
    assert open_training_part(tmp_path / "split").ids == data.sort().ids
    digits = open_training_part("digits", 8, 3)
    assert digits.ids == open_data("digits", "train", 8, 3).ids
    with pytest.raises(UsageError, match="is not there"):
        open_training_part(tmp_path / "nothing")
