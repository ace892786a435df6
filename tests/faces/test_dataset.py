"""Aligning a data set: the template is met, every photo is accounted for, an interrupted run goes on."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.core.types import Face
from faceshield.data.layouts import FaceIndex, read_layout
from faceshield.faces.align import CANVAS, align
from faceshield.faces.dataset import Frame, align_dataset
from faceshield.imaging.crop import TEMPLATE_112

POINTS = np.array([[60, 80], [100, 80], [80, 104], [64, 120], [96, 120]], np.float32)


class Found:
    """Finds the faces whose middle pixel is not black; counts how often it was asked."""

    def __init__(self, faces, asked):
        self.faces, self.asked = faces, asked

    def detect(self, rgb):
        self.asked.append(rgb.shape)
        return [face for face in self.faces if rgb[tuple(face.landmarks[2].astype(int))[::-1]].any()]


def face_at(points):
    return Face(np.concatenate([points.min(0) - 20, points.max(0) + 20]).astype(np.float32), points, 1.0)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def finder(asked):
    return lambda: Found([face_at(POINTS)], asked)


@pytest.fixture
def people(tmp_path, put):
    """Two people: three photos with a face, one all black, one that is no picture."""
    rng = np.random.default_rng(0)
    for name in ("ann/1.jpg", "ann/2.png", "bob/1.jpg"):
        put(tmp_path / "in" / name, rng.integers(40, 255, (180, 160, 3), np.uint8))
    put(tmp_path / "in/bob/dark.jpg", np.zeros((180, 160, 3), np.uint8))
    (tmp_path / "in/bob/text.jpg").write_text("no picture")
    return tmp_path / "in"


def test_every_photo_is_aligned_or_listed_with_its_reason(people, tmp_path, finder):
    told = []
    done = align_dataset(
        read_layout(people), tmp_path / "out", finder, progress=lambda *words: told.append(words)
    )  # fmt: skip
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg"))
    assert files == ["ann/1.jpg", "ann/2.png.jpg", "bob/1.jpg"]
    assert (done.photos, done.aligned) == (5, 3)
    assert done.failed["bob/dark.jpg"] == "no face was found"
    assert "text.jpg" not in done.failed["bob/text.jpg"]
    account = json.loads((tmp_path / "out/align.json").read_text())
    assert account["failed"] == done.failed
    assert (account["aligned"], account["not_yet"], account["photos"], account["people"]) == (3, 0, 5, 2)
    assert told[-1] == ("aligning", 5, 5)
    with Image.open(tmp_path / "out/ann/1.jpg") as crop:
        assert crop.size == (112, 112)


def test_what_is_there_is_kept_and_the_rest_made(people, tmp_path, finder, asked):
    index, out = read_layout(people), tmp_path / "out"
    align_dataset(index, out, finder)
    before = (out / "ann/1.jpg").stat().st_mtime_ns
    (out / "bob/1.jpg").unlink()
    asked.clear()
    done = align_dataset(index, out, finder)
    assert (out / "ann/1.jpg").stat().st_mtime_ns == before
    assert (done.aligned, len(done.failed)) == (3, 2)
    assert len(asked) == 2  # the one that was taken away and the dark one; text is no picture


def test_an_interruption_is_told_in_the_account(people, tmp_path, finder):
    def stop(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    index, out = read_layout(people), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_dataset(index, out, finder, progress=stop)
    account = json.loads((out / "align.json").read_text())
    assert (account["aligned"], account["not_yet"]) == (2, 3)
    assert align_dataset(index, out, finder).aligned == 3


def test_crops_of_another_frame_are_not_mixed_in(people, tmp_path, finder):
    index, out = read_layout(people), tmp_path / "out"
    align_dataset(index, out, finder)
    with pytest.raises(UsageError, match="holds crops made with"):
        align_dataset(index, out, finder, Frame(160))
    (tmp_path / "full/mine").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds other files"):
        align_dataset(index, tmp_path / "full", finder)
    with pytest.raises(UsageError, match="0 jobs"):
        align_dataset(index, tmp_path / "none", finder, jobs=0)


@pytest.mark.parametrize("id", ["../x.jpg", "a/../../x.jpg", "x.jpg", "/x.jpg", ".hidden/x.jpg"])
def test_an_id_cannot_lead_out_of_the_folder(id, people, tmp_path, finder):
    index = FaceIndex("celeba", (id,), ("a",), (people / "ann/1.jpg",))
    with pytest.raises(UsageError, match="is no PERSON/FILE"):
        align_dataset(index, tmp_path / "out", finder)
    assert not (tmp_path / "x.jpg").exists()


def test_known_landmarks_choose_the_face_and_stand_in_for_one(people, tmp_path, asked):
    other = POINTS + np.array([30, 40], np.float32)
    marks = np.stack([other, np.full((5, 2), np.nan, np.float32), POINTS])
    ids = ("ann/1.jpg", "ann/2.png", "bob/dark.jpg")
    index = FaceIndex("celeba", ids, ("ann", "ann", "bob"), tuple(people / id for id in ids), marks)
    align_dataset(index, tmp_path / "out", lambda: Found([face_at(POINTS), face_at(other)], asked))
    for id, points in (("ann/1.jpg", other), ("ann/2.png", POINTS)):  # without landmarks the middle decides
        photo = np.asarray(Image.open(people / id).convert("RGB"))
        crop = np.asarray(Image.open(tmp_path / "out" / (id if id.endswith("jpg") else f"{id}.jpg")))
        assert np.abs(crop.astype(int) - Frame().crop(photo, points)).mean() < 12  # JPEG of noise
    assert (tmp_path / "out/bob/dark.jpg").is_file()


@given(st.integers(16, 256), st.integers(0, 32))
def test_frame_carries_the_points_to_the_scaled_template(size, margin):
    matrix = Frame(size, margin).matrix(TEMPLATE_112 * 2 + 7)
    carried = (TEMPLATE_112 * 2 + 7) @ matrix[:, :2].T + matrix[:, 2]
    # edges of pixels scale with the size: pixel centres are half a pixel inside
    np.testing.assert_allclose(carried, (TEMPLATE_112 + 0.5) * size / 112 - 0.5 + margin, atol=0.01)


def test_frame_with_margin_8_is_the_noise_canvas(portrait):
    face = face_at(POINTS)
    expected = (align(portrait, face, CANVAS).image * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(Frame(112, 8).crop(portrait, POINTS).astype(int) - expected).max() <= 1


def test_frames_that_are_none():
    with pytest.raises(UsageError, match="size 8, margin 0"):
        Frame(8)
    with pytest.raises(UsageError, match="margin -1"):
        Frame(112, -1)


@pytest.mark.slow
def test_processes_write_what_one_does(tmp_path, put):
    rng = np.random.default_rng(1)
    for number in range(9):
        put(tmp_path / f"in/ann/{number}.jpg", rng.integers(40, 255, (180, 160, 3), np.uint8))
    put(tmp_path / "in/ann/dark.jpg", np.zeros((180, 160, 3), np.uint8))
    index = read_layout(tmp_path / "in")
    for jobs in (1, 2):
        done = align_dataset(index, tmp_path / str(jobs), partial(Found, [face_at(POINTS)], []), jobs=jobs)
        assert (done.aligned, done.failed) == (9, {"ann/dark.jpg": "no face was found"})
    for number in range(9):
        one, two = ((tmp_path / jobs / f"ann/{number}.jpg").read_bytes() for jobs in "12")
        assert one == two
