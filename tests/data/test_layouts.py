"""Small fabricated copies of the data sets' folders: each is recognised, indexed, and told what is wrong with it."""

from __future__ import annotations

import numpy as np
import pytest

from faceshield.core.errors import UsageError
from faceshield.data.layouts import read_layout
from faceshield.data.pairs import sample_pairs


@pytest.fixture
def make(tmp_path):
    """Empty files by relative name, or text where it is given: the index may open no picture."""

    def files(*names, root="data", **texts):
        for name in names:
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, text in texts.items():
            (tmp_path / root / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / root / f"{name.replace('__', '/')}").with_suffix(".txt").write_text(text)
        return tmp_path / root

    return files


LFW = ["Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bob/Bob_0001.jpg", "Bob/Bob_0003.jpg"]


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        ("lfw", "lfw"),
        ("images", "lfw"),
        ("lfw_funneled", "lfw-funneled"),
        ("lfw-deepfunneled", "lfw-deepfunneled"),
        ("lfw-Deep_Funneled", "lfw-deepfunneled"),
    ],
)
def test_lfw(make, root, kind):
    index = read_layout(make(*LFW, "Bob/notes.txt", "pairs_01.txt", root=root))
    assert index.kind == kind
    assert index.ids == tuple(LFW)
    assert index.people == ("Ann_Lee", "Ann_Lee", "Bob", "Bob")
    assert all(path.is_file() for path in index.paths)
    assert (index.notes, index.landmarks) == ((), None)


def test_casia_webface(make):
    index = read_layout(make("0000045/001.jpg", "0000045/002.jpg", "0000099/001.jpg", "0000099/003.jpg"))
    assert index.kind == "casia-webface"
    assert index.people == ("0000045", "0000045", "0000099", "0000099")


def test_any_tree(make):
    index = read_layout(make("b/2.PNG", "b/1.webp", "a/x.jpeg", "a/y.bmp", "a/z.txt", ".hidden/1.jpg", "a/.1.jpg"))
    assert index.kind == "tree"
    assert index.ids == ("a/x.jpeg", "a/y.bmp", "b/1.webp", "b/2.PNG")
    pairs = sample_pairs(index.ids, index.people, same=2, different=4, folds=1)
    assert len(pairs) == 6


VGG = ["train/n000002/0001_01.jpg", "train/n000002/0002_01.jpg", "test/n000001/0001_01.jpg", "test/n000001/0003_02.jpg"]
VGG_MARKS = "NAME_ID,P1X,P1Y,P2X,P2Y,P3X,P3Y,P4X,P4Y,P5X,P5Y\n"


def test_vggface2_and_its_landmarks(make):
    root = make(*VGG)
    assert read_layout(root).kind == "vggface2"
    assert read_layout(root).landmarks is None
    (root / "bb_landmark").mkdir()
    for split, who in (("train", "n000002/0002_01"), ("test", "n000001/0001_01")):
        numbers = ",".join(str(n + 0.5) for n in range(10))
        (root / f"bb_landmark/loose_landmark_{split}.csv").write_text(f"{VGG_MARKS}{who},{numbers}\n")
    index = read_layout(root)
    assert index.ids == ("n000001/0001_01.jpg", "n000001/0003_02.jpg", "n000002/0001_01.jpg", "n000002/0002_01.jpg")
    assert index.paths[0] == root / "test/n000001/0001_01.jpg"
    assert np.isnan(index.landmarks[:, 0, 0]).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(index.landmarks[3], np.arange(10).reshape(5, 2) + 0.5)
    split = read_layout(root / "train")
    assert split.kind == "vggface2"
    assert np.isnan(split.landmarks[:, 0, 0]).tolist() == [True, False]
    (root / "bb_landmark/loose_landmark_train.csv").write_text(f"{VGG_MARKS}n000002/0002_01,1,2,x\n")
    with pytest.raises(UsageError, match=r"the line of 'n000002/0002_01' holds no ten coordinates"):
        read_layout(root)


WHO = "000001.jpg 2880\n000002.jpg 7\n000003.jpg 7\n000004.jpg 2880\n"
MARKS = (
    "2\nlefteye_x lefteye_y …\n000003.jpg 165 184 244 176 196 249 194 271 266 260\n000001.jpg 1 2 3 4 5 6 7 8 9 10\n"
)


@pytest.mark.parametrize(("lists", "photos"), [("", ""), ("Anno__", "Img/")])
@pytest.mark.parametrize(
    ("folder", "marks", "suffix"),
    [
        ("img_celeba", "list_landmarks_celeba", "jpg"),
        ("img_align_celeba", "list_landmarks_align_celeba", "jpg"),
        ("img_align_celeba_png", "list_landmarks_align_celeba", "png"),
    ],
)
def test_celeba(make, lists, photos, folder, marks, suffix):
    names = [f"{photos}{folder}/{n:06d}.{suffix}" for n in (1, 2, 3, 4)]
    index = read_layout(make(*names, **{f"{lists}identity_CelebA": WHO, f"{lists}{marks}": MARKS}))
    assert index.kind == "celeba"
    assert index.people == ("00007", "00007", "02880", "02880")
    assert index.ids == tuple(f"{p}/{n:06d}.{suffix}" for p, n in zip(index.people, (2, 3, 1, 4), strict=True))
    assert index.notes == ()
    np.testing.assert_array_equal(index.landmarks[1], [[165, 184], [244, 176], [196, 249], [194, 271], [266, 260]])
    assert np.isnan(index.landmarks[[0, 3]]).all()


def test_celeba_without_landmarks_and_with_gaps(make):
    root = make("img_celeba/000001.jpg", "img_celeba/000002.jpg", "img_celeba/000009.jpg", identity_CelebA=WHO)
    index = read_layout(root)
    assert index.landmarks is None
    assert index.ids == ("00007/000002.jpg", "02880/000001.jpg")
    assert index.notes == (
        "picture 000009.jpg is not in identity_CelebA.txt",
        "2 of the 4 pictures in identity_CelebA.txt are not in img_celeba",
        "person 00007 (and 1 more) has one picture: no pair of the same person can be made of it",
    )


def test_pictures_of_nobody_known_and_empty_folders_are_told(make):
    root = make("a/1.jpg", "a/2.jpg", "b/1.jpg", "loose.jpg", "other.jpg", "c/readme.md")
    index = read_layout(root)
    assert len(index) == 3
    assert index.notes == (
        "picture loose.jpg (and 1 more) lies beside the folders of people: of whom it is is not known, it is left out",
        "folder c has no pictures in it",
        "person b has one picture: no pair of the same person can be made of it",
    )


@pytest.mark.parametrize(
    ("names", "texts", "words"),
    [
        (["a/notes.txt"], {}, r"holds no picture of a known person \(folder a has no pictures in it\)"),
        (["1.jpg", "2.jpg"], {}, "has neither folders of people nor identity_CelebA"),
        (["x/1.jpg"], {"identity_CelebA": WHO}, "but none of img_celeba, img_align_celeba"),
        (["img_celeba/000099.jpg"], {"identity_CelebA": WHO}, "holds no picture of a known person"),
        (["img_celeba/000001.jpg"], {"identity_CelebA": "000001.jpg 1\n000002.jpg\n"}, "line 2: expected 2 words"),
        (
            ["img_celeba/000001.jpg"],
            {"identity_CelebA": WHO, "list_landmarks_celeba": "1\nhead\n000001.jpg 1 2\n"},
            "line 3: expected 11 words, found 3",
        ),
        (
            ["img_celeba/000001.jpg"],
            {"identity_CelebA": WHO, "list_landmarks_celeba": "1\nhead\n000001.jpg 1 2 3 4 5 6 7 8 9 x\n"},
            "holds no ten coordinates",
        ),
        (["train/n000001/1.jpg", "test/n000001/1.jpg"], {}, "have one id, 'n000001/1.jpg'"),
    ],
)
def test_what_is_no_data_set(make, names, texts, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_layout(make(*names, **texts))
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        read_layout(tmp_path / "nowhere")


def test_the_real_ones_here(shared):
    lfw = read_layout(shared / "lfw/images")
    assert (lfw.kind, len(lfw)) == ("lfw", 7701)
    assert read_layout(shared / "people").kind == "tree"
