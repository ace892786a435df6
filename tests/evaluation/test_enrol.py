"""Photos to outputs: whose face is taken, what is kept, and that a failure stays in its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceshield.core.errors import PhotoError
from faceshield.core.types import Face
from faceshield.evaluation.enrol import Recogniser, crop, enrol
from faceshield.faces.align import align


def face(x, y, side, score=0.99):
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Face(np.array([x, y, x + side, y + side], np.float32), points * side + np.float32([x, y]), score)


class Drawn:
    """Finds a face in every picture that is not black."""

    def __init__(self, *faces):
        self.faces, self.calls = list(faces), 0

    def detect(self, rgb):
        self.calls += 1
        return self.faces if rgb.any() else []

    def look(self, rgb, box):
        return None


def recogniser(name="r"):
    return Recogniser(lambda images: images[:, :, 70:80, :75].mean((2, 3)), torch.device("cpu"), name, 3)


@pytest.fixture
def album(put, tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"p{n // 2}/{n}.png" for n in range(7)]
    for n, id in enumerate(ids):
        put(tmp_path / id, np.full((60, 80, 3), 0) if n == 4 else rng.integers(1, 255, (60, 80, 3), np.uint8))
    return tmp_path, ids


@pytest.fixture
def put(put):
    return lambda path, pixels: put(path, np.asarray(pixels, np.uint8))


def test_the_centre_one_and_the_largest():
    rgb = np.full((100, 300, 3), 9, np.uint8)
    rgb[:, 120:180] = (200, 0, 0)
    detector = Drawn(face(0, 0, 90), face(125, 25, 50))
    assert float(crop(rgb, detector, "centre").image[0].mean()) > 0.5
    assert float(crop(rgb, detector, "largest").image[0].mean()) < 0.1
    assert crop(rgb * 0, detector, "centre") is None


def test_a_recogniser_gets_the_crop_that_it_asks_for(album):
    root, ids = album
    sizes = []

    def forward(images):
        sizes.append(tuple(images.shape[1:]))
        return images.mean((2, 3))

    other = Recogniser(forward, torch.device("cpu"), "r", 3, align)
    enrol(root, ids, Drawn(face(20, 10, 40)), other)
    assert sizes == [(3, 128, 128)]


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_outputs_come_in_the_order_of_the_ids_and_failures_keep_their_place(album, batch):
    root, ids = album
    done = enrol(root, ids, Drawn(face(20, 10, 40)), recogniser(), batch=batch)
    assert done.ids == tuple(ids)
    assert done.found.tolist() == [n != 4 for n in range(7)]
    assert done.raw.shape == (7, 2, 3)
    assert not done.raw[4].any()
    backwards = enrol(root, ids[::-1], Drawn(face(20, 10, 40)), recogniser(), batch=batch)
    torch.testing.assert_close(backwards.raw, done.raw.flip(0))
    assert not torch.allclose(done.raw[:, 0], done.raw[:, 1], atol=1e-4), "the second is of the mirror image"


def test_an_interrupted_run_goes_on_and_a_changed_photo_is_done_again(album, tmp_path, put):
    root, ids = album
    cache, detector, seen = tmp_path / "cache", Drawn(face(20, 10, 40)), []

    def stop(stage, done, total):
        seen.append((stage, done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enrol(root, ids, detector, recogniser(), cache=cache, batch=2, progress=stop)
    assert seen == [("embedding", 2, 7), ("embedding", 4, 7)]
    assert detector.calls == 4
    whole = enrol(root, ids, detector, recogniser(), cache=cache)
    assert detector.calls == 7
    again = enrol(root, ids, detector, recogniser(), cache=cache)
    assert detector.calls == 7, "also the photo without a face is known"
    torch.testing.assert_close(again.raw, whole.raw, rtol=0, atol=0)
    torch.testing.assert_close(whole.raw, enrol(root, ids, Drawn(face(20, 10, 40)), recogniser()).raw)
    np.testing.assert_array_equal(again.found, whole.found)
    put(root / ids[1], np.full((60, 80, 3), 77))
    changed = enrol(root, ids, detector, recogniser(), cache=cache)
    assert detector.calls == 8
    assert not changed.raw[1].equal(whole.raw[1])
    enrol(root, ids, detector, recogniser("other weights"), cache=cache)
    assert detector.calls == 15
    enrol(root, ids, detector, recogniser(), cache=cache, which="largest")
    assert detector.calls == 22


@pytest.mark.parametrize("cache", [None, "cache"])
def test_a_photo_that_is_absent_or_none_is_named(album, cache, tmp_path):
    root, ids = album
    (root / "broken.jpg").write_bytes(b"broken")
    for id in ("absent.jpg", "broken.jpg"):
        with pytest.raises(PhotoError, match=id):
            enrol(root, [*ids, id], Drawn(), recogniser(), cache=cache and tmp_path / cache)
