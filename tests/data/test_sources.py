"""Data sets as they are offered, in miniature: CIFAR's bytes, SVHN's .mat, digits, trees, and what is none of them."""

from __future__ import annotations

import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from faceshield.core.errors import UsageError
from faceshield.data import cifar
from faceshield.data.cifar import read_cifar
from faceshield.data.sources import open_data
from faceshield.data.svhn import read_svhn

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def records(labels, seed, coarse=False):
    """Rows of labels and pixels, and their file's bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), np.uint8)
    rows = [bytes([7] * coarse + [label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True)]
    return pixels, b"".join(rows)


@pytest.fixture
def ten(tmp_path):
    """A CIFAR-10 of two pictures a batch: its folder and the pixels by split."""
    folder = tmp_path / "data/cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    parts = []
    for number in range(1, 6):
        pixels, data = records([number, number + 4], number)
        (folder / f"data_batch_{number}.bin").write_bytes(data)
        parts.append(pixels)
    test, data = records([0, 9, 3], 9)
    (folder / "test_batch.bin").write_bytes(data)
    return folder, {"train": np.concatenate(parts), "test": test}


def packed(folder, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def test_cifar10_in_its_folder_above_it_and_as_an_archive(ten, tmp_path):
    folder, pixels = ten
    for source in (folder, str(folder), folder.parent, packed(folder, tmp_path / "c.tar.gz")):
        train, test = open_data(source, "train"), open_data(source, "test")
        assert (train.images.numpy() == pixels["train"]).all()
        assert (test.images.numpy() == pixels["test"]).all()
        assert train.labels.tolist() == [1, 5, 2, 6, 3, 7, 4, 8, 5, 9]
        assert test.labels.tolist() == [0, 9, 3]
        assert train.classes == test.classes == tuple(TEN)
        assert train.ids[:3] == ("data_batch_1/00000", "data_batch_1/00001", "data_batch_2/00000")
        assert not set(train.ids) & set(test.ids)


def test_cifar100_has_fine_labels(tmp_path):
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"fine{i}" for i in range(100)))
    for split, labels in (("train", [99, 0, 42]), ("test", [5])):
        pixels, data = records(labels, 1, coarse=True)
        (tmp_path / f"{split}.bin").write_bytes(data)
        read = open_data(tmp_path, split)
        assert read.labels.tolist() == labels
        assert (read.images.numpy() == pixels).all()
        assert len(read.classes) == 100


def test_a_damaged_cifar_is_refused(ten, tmp_path, monkeypatch):
    folder, _ = ten
    path = packed(folder, tmp_path / "c.tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"c\.tar\.gz: cannot be read as a \.tar\.gz"):
        open_data(path, "train")
    path.write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"cannot be read as a \.tar\.gz"):
        open_data(path, "train")
    (folder / "test_batch.bin").write_bytes(bytes(3074))
    with pytest.raises(UsageError, match=r"test_batch\.bin is 3074 bytes, no multiple of 3073"):
        open_data(folder, "test")
    (folder / "test_batch.bin").write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(UsageError, match=r"label 10 has no name in batches\.meta\.txt"):
        open_data(folder, "test")
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(UsageError, match=r"lacks data_batch_3\.bin"):
        open_data(folder, "train")
    monkeypatch.setattr(cifar, "_LARGEST", 3000)
    with pytest.raises(UsageError, match="is 6146 bytes, CIFAR's largest"):
        open_data(folder, "train")


def test_an_archive_of_something_else_is_no_cifar(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/data_batch_1").write_bytes(b"a pickle")
    with pytest.raises(UsageError, match=r"no \.bin files of CIFAR; take the binary version"):
        read_cifar(packed(tmp_path / "x", tmp_path / "x.tar.gz"), "train")


def svhn(path, labels, **other):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, len(labels)), np.uint8)
    savemat(path, {"X": pixels, "y": np.array(labels, np.uint8)[:, None], **other}, do_compression=True)
    return pixels


def test_svhn_ten_is_zero(tmp_path):
    pixels = svhn(tmp_path / "train_32x32.mat", [10, 1, 9, 10])
    svhn(tmp_path / "test_32x32.mat", [2])
    for source in (tmp_path, tmp_path / "train_32x32.mat", tmp_path / "test_32x32.mat"):
        data = open_data(source, "train")
        assert data.labels.tolist() == [0, 1, 9, 0]
        assert data.ids[0] == "train_32x32/000000"
        assert data.classes == tuple("0123456789")
        for i, image in enumerate(data.images):
            assert (image.permute(1, 2, 0).numpy() == pixels[..., i]).all()
        assert open_data(source, "test").labels.tolist() == [2]


def test_a_mat_file_that_is_no_svhn(tmp_path):
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(b"no matrix" * 40)
    with pytest.raises(UsageError, match=r"cannot be read as a \.mat file"):
        read_svhn(path)
    for values, message in (
        ({"X": np.zeros((32, 32, 3, 2)), "y": np.ones((2, 1))}, r"its X is .*double, SVHN's is"),
        ({"X": np.zeros((8, 8), np.uint8), "y": np.ones((2, 1))}, r"its X is \(8, 8\)"),
        ({"y": np.ones((2, 1))}, "its X is absent"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((3, 1))}, "one label a picture"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])}, "labels run from 1 to 11"),
    ):
        savemat(path, values)
        assert set(values) <= set(loadmat(path))
        with pytest.raises(UsageError, match=message):
            read_svhn(path)
    with pytest.raises(UsageError, match=r"test part is test_32x32\.mat, which is not beside it"):
        open_data(path, "test")


def test_without_scipy_it_is_asked_for(tmp_path, monkeypatch):
    svhn(tmp_path / "train_32x32.mat", [1])
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UsageError, match="pip install scipy"):
        open_data(tmp_path, "train")


def test_digits_are_split_once_and_for_all():
    train, test = open_data("digits", "train"), open_data("digits", "test")
    assert len(train) + len(test) == 1797
    assert not set(train.ids) & set(test.ids)
    share = torch.bincount(test.labels) / (torch.bincount(test.labels) + torch.bincount(train.labels))
    assert bool(((share - 0.2).abs() < 0.005).all())
    assert train.images.shape[1:] == (3, 32, 32)
    assert train.images.dtype == torch.uint8
    assert train.images[:, 0].equal(train.images[:, 2])
    assert open_data("digits", "test").ids == test.ids
    few = open_data("digits", "train", size=16, limit=7)
    assert few.images.shape == (70, 3, 16, 16)
    assert set(few.ids) <= set(train.ids)


@pytest.fixture
def trees(put, tmp_path):
    """Class folders for two splits: train 30 dark ones a class, test 4 bright ones."""
    for split, count, value in (("train", 30, 10), ("test", 4, 200)):
        for name in ("x", "y"):
            for number in range(count):
                put(tmp_path / f"set/{split}/{name}/{number:02d}.png", np.full((4, 4, 3), value, np.uint8))
    return tmp_path / "set"


def zipped(folder, path, top=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, top + str(file.relative_to(folder)))
    return path


def test_trees_with_a_split_of_their_own(trees, tmp_path):
    sources = [trees, zipped(trees, tmp_path / "a.zip"), zipped(trees, tmp_path / "b.zip", "cifar/"), tmp_path / "up"]
    (tmp_path / "up").mkdir()
    trees.rename(tmp_path / "up/set")
    sources[0] = tmp_path / "up/set"
    for source in sources:
        train, test = open_data(source, "train"), open_data(source, "test")
        assert (len(train), len(test)) == (60, 8)
        assert bool((train.images == 10).all())
        assert bool((test.images == 200).all())
        assert train.classes == ("x", "y")
        assert train.ids[0] == "x/00.png"
        assert open_data(source, "train", size=8, limit=3).images.shape == (6, 3, 8, 8)
    (tmp_path / "up/set/test").rename(tmp_path / "up/set/val")
    assert bool((open_data(tmp_path / "up", "test").images == 200).all())


def test_a_flat_tree_is_split_by_its_ids(trees, tmp_path):
    flat = trees / "train"
    train, test = open_data(flat, "train"), open_data(flat, "test")
    assert torch.bincount(test.labels).tolist() == [6, 6]
    assert sorted(train.ids + test.ids) == sorted(f"{name}/{number:02d}.png" for name in "xy" for number in range(30))
    packed_flat = open_data(zipped(flat, tmp_path / "f.zip"), "test")
    assert packed_flat.ids == test.ids
    assert set(open_data(flat, "train", limit=4).ids) <= set(train.ids)


def test_what_is_no_data_set(trees, tmp_path):
    with pytest.raises(UsageError, match="nowhere: is not there; name a folder"):
        open_data(tmp_path / "nowhere", "train")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(UsageError, match=r"notes\.txt: is no data set known here"):
        open_data(tmp_path / "notes.txt", "train")
    with pytest.raises(UsageError, match="split 'validation' is unknown"):
        open_data(trees, "validation")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has no folders"):
        open_data(tmp_path / "empty", "train")
    (tmp_path / "half").mkdir()
    (trees / "train").rename(tmp_path / "half/train")
    assert len(open_data(tmp_path / "half", "train")) == 60
    with pytest.raises(UsageError, match="no test or val; add one"):
        open_data(tmp_path / "half", "test")


def test_the_shared_pictures_of_cifar10(shared):
    path = shared / "cifar10-images.zip"
    if not path.is_file():
        pytest.skip("the shared pictures of CIFAR-10 are not here")
    data = open_data(path, "test", limit=2)
    assert data.images.shape == (20, 3, 32, 32)
    assert data.classes == tuple(TEN)
