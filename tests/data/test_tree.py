"""Class-per-folder trees, in a folder and in a .zip: order, subsets, sizes, and what is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.data import pictures, zipped
from faceshield.data.tree import read_tree


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


def test_hidden_files_and_folders_are_passed_over(tree):
    before = read_tree(tree)
    (tree / "a/._1.PNG").write_bytes(b"resource fork")
    (tree / ".cache").mkdir()
    after = read_tree(tree)
    assert after.ids == before.ids
    assert after.classes == before.classes


def test_the_middle_square_is_kept(put, tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 200
    put(tmp_path / "t/a/1.png", pixels)
    assert (read_tree(tmp_path / "t", 4).images == 200).all()


@pytest.fixture
def zip_of(tree, tmp_path):
    """The tree as a zip below ``top``, members in an order of their own, with what macOS adds."""

    def pack(top="", compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "t.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("__MACOSX/x/._1.png", b"resource fork")
            archive.writestr(f"{top}a/.DS_Store", b"")
            for file in sorted(tree.rglob("*"), reverse=True):
                archive.write(file, top + str(file.relative_to(tree)))
        return path

    return pack


@pytest.mark.parametrize(("top", "under"), [("", ""), ("train/", "train"), ("x/y/", "x/y")])
def test_a_zip_reads_as_the_folder_does(tree, zip_of, top, under):
    expected, got = read_tree(tree), read_tree(zip_of(top), under=under)
    assert got.ids == expected.ids
    assert got.classes == expected.classes
    assert got.labels.equal(expected.labels)
    assert got.images.equal(expected.images)


def test_a_limit_is_the_same_before_and_after_reading_and_in_a_zip(tree, zip_of):
    path = zip_of()
    for limit in (1, 2):
        expected = read_tree(tree).limit(limit)
        for root in (tree, path):
            got = read_tree(root, limit=limit)
            assert got.ids == expected.ids
            assert got.images.equal(expected.images)


def test_classes_are_labelled_in_the_order_asked_for(tree):
    data = read_tree(tree, classes=["c", "a"])
    assert data.classes == ("c", "a")
    assert data.ids[:3] == ("c/1.PNG", "c/2.png", "c/3.bmp")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(UsageError, match="has no class 'd'"):
        read_tree(tree, classes=["a", "d"])


def test_many_pictures_keep_their_places(put, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_CHUNK", 3)
    for number in range(40):
        put(tmp_path / f"t/{number % 4}/{number:02d}.png", np.full((2, 2, 3), number, np.uint8))
    data = read_tree(tmp_path / "t")
    assert data.images[:, 0, 0, 0].tolist() == [int(id[2:4]) for id in data.ids]


def png(width=4, height=4):
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def archive(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["/a/1.png", "../a/1.png", "a/../../1.png", "a/./1.png", "a//1.png", "C:/a/1.png", "a\\..\\1.png"]
)
def test_names_that_lead_out_of_a_zip_are_refused(tmp_path, name):
    path = archive(tmp_path / "z.zip", [("a/0.png", png()), (name, png())])
    with pytest.raises(UsageError, match="has an unsafe name") as caught:
        read_tree(path)
    assert repr(name) in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = archive(tmp_path / "z.zip", [("a/0.png", png()), ("a/0.png", png(5, 5))])
    with pytest.raises(UsageError, match=r"'a/0\.png' is there twice"):
        read_tree(path)


def test_a_member_that_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "LARGEST_FILE", 1000)
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/0.png", bytes(1001))
    with pytest.raises(UsageError, match=r"z\.zip/a/0\.png: is 1001 bytes"):
        read_tree(path)


@pytest.mark.parametrize("limit", [15, 8])
def test_a_picture_of_too_many_pixels_is_refused(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # Pillow warns above it, and refuses above twice of it
    path = archive(tmp_path / "z.zip", [("a/0.png", png(4, 5))])
    with pytest.raises(UsageError, match=r"a/0\.png: cannot be read as a picture \(.*decompression bomb"):
        read_tree(path)


def test_a_truncated_zip_and_a_damaged_member(zip_of):
    path = zip_of(compression=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"t\.zip: cannot be read as a zip"):
        read_tree(path)
    place = whole.index(b"\x89PNG") + 40
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(UsageError, match=r"t\.zip/./..*: cannot be unpacked \(Bad CRC"):
        read_tree(path)


def test_what_is_named_like_a_picture_is_decoded_as_one_of_four_formats_only(tree, put):
    Image.new("RGB", (6, 6)).save(tree / "b/0.png", "EPS")
    with pytest.raises(UsageError, match=r"b/0\.png: cannot be read .*no JPEG, PNG, WEBP or BMP"):
        read_tree(tree)


def test_sixteen_bits_are_refused_rather_than_clipped_to_white(tree, put):
    put(tree / "b/0.png", np.full((6, 6), 40000, np.uint16))
    with pytest.raises(UsageError, match=r"b/0\.png: .*more than 8 bits"):
        read_tree(tree)


def test_a_cut_off_picture_is_named(tree):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 6, 3), np.uint8)).save(tree / "b/0.jpg")
    data = (tree / "b/0.jpg").read_bytes()
    (tree / "b/0.jpg").write_bytes(data[:-40])
    with pytest.raises(UsageError, match=r"b/0\.jpg: cannot be read as a picture"):
        read_tree(tree)


def test_bad_numbers(tree):
    for size in (0, -3):
        with pytest.raises(UsageError, match=f"size {size} is no picture size"):
            read_tree(tree, size)
    with pytest.raises(UsageError, match="limit 0 leaves no pictures"):
        read_tree(tree, limit=0)
