"""Through the window a large JPEG has the pixels and the bytes that it has without."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial

import cv2
import numpy as np
import pytest
from photo_samples import chunk
from PIL import Image, JpegImagePlugin

from faceshield.core.errors import PhotoError
from faceshield.imaging import encoders, raster, window
from faceshield.imaging import photo as photo_module
from faceshield.imaging.orientation import turn_back, turn_upright, view_back, view_upright
from faceshield.imaging.photo import decode, encode

STEPS = [[16 + n // 4 for n in range(64)], [20 + n for n in range(64)]]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A picture of some megapixels counts as large, and goes through the window in many steps."""
    monkeypatch.setattr(window, "_BAND", 40_000)
    monkeypatch.setattr(window, "LARGE", 100_000)


@pytest.fixture(scope="module")
def scene():
    """(1801, 1003, 3): noise whose code is long, flat parts whose code is as short as can be, and noise again."""
    picture = np.random.default_rng(0).integers(0, 256, (1801, 1003, 3), np.uint8)
    picture[500:700] = 255
    picture[900:1300] = (0, 90, 200)
    return picture


def saved(array, **options):
    return encoders._save(window.to_picture(array), "JPEG", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90, "subsampling": 0},
        {"quality": 95, "subsampling": 1},
        {"quality": 60, "subsampling": 2},
        {"qtables": STEPS, "subsampling": 2, "exif": b"Exif\0\0" + bytes(range(256)) * 9, "dpi": (300, 300)},
        {"quality": 100, "subsampling": 0, "keep_rgb": True},
        {"quality": 1, "subsampling": 2},
    ],
    ids=str,
)
def test_encoded_bytes_are_the_same(scene, options):
    whole = saved(scene, **options)
    assert window.encode(scene, partial(encoders._save_to, format="JPEG", **options)) == whole
    picture = JpegImagePlugin.JpegImageFile(io.BytesIO(whole))
    pixels = window.decode(picture, whole)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(whole))))


def test_all_of_one_colour():
    """The encoder runs as far ahead as it ever does."""
    flat = np.full((6000, 640, 3), 255, np.uint8)
    save = partial(encoders._save_to, format="JPEG", quality=90, subsampling=2)
    assert window.encode(flat, save) == saved(flat, quality=90, subsampling=2)


def test_an_encoder_that_reads_everything_beforehand_is_noticed(scene):
    assert window.encode(scene, partial(encoders._save_to, format="JPEG", quality=90, optimize=True)) is None


def test_an_encoder_that_runs_ahead_is_noticed(scene):
    """Its output is that of rows which were not there."""

    def save(picture, file):
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=90, subsampling=0)
        for start in range(0, len(encoded.getvalue()), 1000):
            file.write(encoded.getvalue()[start : start + 1000])

    assert window.encode(scene, save) is None


def test_rows_behind_the_codec_are_given_back(scene, monkeypatch):
    dropped = []
    drop = window.Window.drop
    monkeypatch.setattr(window.Window, "drop", lambda self, stop: dropped.append(stop) or drop(self, stop))
    data = window.encode(scene, partial(encoders._save_to, format="JPEG", quality=90))
    assert data is not None
    assert len(set(dropped)) > 10
    assert dropped[-1] > 1700
    dropped.clear()
    window.decode(JpegImagePlugin.JpegImageFile(io.BytesIO(data)), data)
    assert len(set(dropped)) > 10
    assert dropped[-1] == 1801


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_photos_are_as_without_it(scene, orientation, progressive, grey, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = scene[300:1000, :, 1] if grey else scene[300:1000]
    data = saved(shown, quality=80, exif=exif.tobytes(), progressive=progressive)
    assert decode(data, tmp_path / "a.jpg").grey is grey
    seen = []
    for large in (window.LARGE, 10**9):
        monkeypatch.setattr(window, "LARGE", large)
        photo = decode(data, tmp_path / "a.jpg")
        seen.append((photo.pixels.tobytes(), encode(photo, photo.pixels).data))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", ["plain", "one chunk", "interlaced", "see-through", "alpha", "cut off", "damaged"])
def test_a_png_is_as_without_it(scene, kind, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = np.dstack([scene, scene[..., :1]]) if kind == "alpha" else scene
    data = cv2.imencode(".png", shown)[1].tobytes() if kind == "one chunk" else with_png(shown, exif, kind)
    data = data[: len(data) // 2] if kind == "cut off" else data
    if kind == "damaged":
        data = data[:200_000] + bytes(64) + data[200_064:]
    seen, passed = [], []
    through = window.decode
    monkeypatch.setattr(window, "decode", lambda *given: passed.append(through(*given)) or passed[-1])
    for large in (window.LARGE, 10**9):
        monkeypatch.setattr(window, "LARGE", large)
        try:
            photo = decode(data, tmp_path / "a.png")
            seen.append((photo.pixels.tobytes(), photo.alpha is None, photo.exif, photo.details, photo.icc))
        except PhotoError as error:
            seen.append(str(error))
    assert seen[0] == seen[1]
    assert [pixels is not None for pixels in passed] == [True] * (kind in ("plain", "one chunk"))
    assert isinstance(seen[0], str) == (kind in ("cut off", "damaged"))


def with_png(shown, exif, kind):
    if kind == "interlaced":
        return interlaced(shown)
    buffer = io.BytesIO()
    options = {"transparency": (0, 90, 200)} if kind == "see-through" else {}
    Image.fromarray(shown).save(buffer, "PNG", exif=exif, dpi=(300, 300), **options)
    return buffer.getvalue()


def interlaced(shown):
    """In Adam7's seven passes, which Pillow reads and does not write."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [row.tobytes() for x, y, across, down in passes for row in shown[y::down, x::across]]
    head = struct.pack(">IIBBBBB", shown.shape[1], shown.shape[0], 8, 2, 0, 0, 1)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("place", [(0, 0, 1), (255, 1, 2), (256, 0, 0), (600, 2, 1)])
def test_one_pixel_of_colour_makes_a_picture_no_grey_one(place):
    pixels = np.zeros((601, 3, 3), np.uint8)
    assert raster.is_grey(pixels)
    pixels[place] = 1
    assert not raster.is_grey(pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_view_is_turned_as_a_copy_is(orientation):
    numbered = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert np.array_equal(view_upright(numbered, orientation), turn_upright(numbered, orientation))
    assert np.array_equal(view_back(numbered, orientation), turn_back(numbered, orientation))
    assert np.shares_memory(view_back(numbered, orientation), numbered)


def test_a_turned_photo_is_never_copied_whole(scene, tmp_path, monkeypatch):
    """Neither where it is turned upright nor where it is turned back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(scene, quality=80, exif=exif.tobytes())
    turned = []
    turn = window.turn_upright
    monkeypatch.setattr(window, "turn_upright", lambda rows, by: turned.append(len(rows)) or turn(rows, by))
    monkeypatch.setattr(photo_module, "turn_back", None)
    monkeypatch.setattr(raster, "turn_upright", None)
    photo = decode(data, tmp_path / "a.jpg")
    assert photo.pixels.shape == (1003, 1801, 3)
    assert max(turned) < 100
    encode(photo, photo.pixels)


def test_a_large_photo_that_is_cut_off_is_refused(scene, tmp_path):
    data = saved(scene, quality=80)
    for kept in (len(data) // 2, len(data) - 2000):
        with pytest.raises(PhotoError, match="cut off"):
            decode(data[:kept], tmp_path / "a.jpg")
