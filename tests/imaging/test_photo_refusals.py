"""What cannot be protected whole is refused: one line, the file's name, the reason and the fix."""

from __future__ import annotations

import builtins
import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photo_samples import ODD, SHARED, camera_exif, noise, saved, smooth
from PIL import Image, ImageFile, features

from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.imaging import ifd
from faceshield.imaging.photo import decode, encode, load

FRAMES = [Image.fromarray(noise(8, 8, seed=seed)) for seed in (1, 2)]


def refusal(data: bytes | None, tmp_path: Path, name: str = "face.jpg", **options: Any) -> str:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PhotoError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert ";" in message, "a message ends with the fix"
    assert caught.value.exit_code == 4
    return message


def attempt(path: Path, **options: Any) -> Photo | None:
    """The photo, or None where it was refused as it should be."""
    try:
        return load(path, **options)
    except PhotoError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return None


def animation(format: str) -> bytes:
    buffer = io.BytesIO()
    FRAMES[0].save(buffer, format, save_all=True, append_images=FRAMES[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations(format: str, tmp_path: Path) -> None:
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    assert "animated" in refusal(animation(format), tmp_path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"progressive": True, "exif": camera_exif()}])
@pytest.mark.parametrize("keep", [1, 3, 100, 0.2, 0.5, 0.9, -3])
def test_cut_off_jpeg(keep: float, options: dict[str, Any], tmp_path: Path) -> None:
    data = saved(smooth(), "JPEG", **options)
    cut = data[: int(keep * len(data))] if isinstance(keep, float) else data[:keep]
    assert ("not a picture" if keep == 1 else "cut off") in refusal(cut, tmp_path)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_other_cut_off_files(format: str, keep: float, tmp_path: Path) -> None:
    data = saved(noise(40, 40), format)
    assert "cut off" in refusal(data[: int(keep * len(data))], tmp_path)


def test_cut_off_16_bit_png(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = saved(noise(40, 40, 1, np.uint16), "PNG")
    refusal(data[: len(data) // 2], tmp_path)
    assert capfd.readouterr() == ("", ""), "a decoder spoke to the user"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (b"%PDF-1.7 and so on", "not a picture"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "damaged"),
        (b"II*\0" + b"\xff" * 60, "damaged"),
        (b"RIFF\x40\0\0\0WEBPVP8 " + bytes(50), "damaged"),
        (b"BM" + bytes(60), "damaged"),
        (b"GIF89a" + bytes(60), "damaged"),
        (b"\0\0\0\x18ftypheic" + bytes(60), "damaged"),
        (b"\0\0\0\x18ftypavif" + bytes(60), "damaged"),
    ],
)
def test_no_pictures(data: bytes, says: str, tmp_path: Path) -> None:
    if b"heic" in data:
        pytest.importorskip("pillow_heif")
    if b"avif" in data and not features.check("avif"):
        says = "AVIF"
    assert says in refusal(data, tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such file" in refusal(None, tmp_path)
    (tmp_path / "folder.jpg").mkdir()
    assert "folder" in refusal(None, tmp_path, "folder.jpg")
    assert "cannot be read" in refusal(None, tmp_path, "x" * 300)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "regular file" in refusal(None, tmp_path, "pipe.jpg")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "face.jpg").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    assert "permission" in refusal(None, tmp_path).lower()


def test_decompression_bomb_is_not_decoded(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = bytearray(saved(noise(8, 8), "PNG"))
    data[16:29] = header
    data[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    assert "60000×60000" in refusal(bytes(data), tmp_path)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_limit_is_the_callers(format: str, tmp_path: Path) -> None:
    data = saved(noise(20, 30), format)
    assert "30×20" in refusal(data, tmp_path, max_pixels=599)
    assert load(tmp_path / "face.jpg", max_pixels=600).pixels.shape == (20, 30, 3)


def test_larger_than_pillows_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library may have set Pillow's limit; ours alone counts, and no warning is shown."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "in.jpg"
    path.write_bytes(saved(noise(15, 10), "JPEG"))
    assert load(path).pixels.shape == (15, 10, 3)


def test_heif_limit(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(smooth())).save(buffer)
    assert "128×96" in refusal(buffer.getvalue(), tmp_path, max_pixels=1000)


def test_too_many_scans(tmp_path: Path) -> None:
    data = saved(noise(8, 8, 1), "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    scan = data[start:-2]
    assert "scans" in refusal(data[:start] + scan * 200 + data[-2:], tmp_path)


@pytest.mark.parametrize("tag", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_camera_raw(tag: dict[int, Any], tmp_path: Path) -> None:
    assert "raw" in refusal(saved(noise(), "TIFF", tiffinfo=tag), tmp_path)


@pytest.mark.parametrize("tag", [{262: 0}, {338: 1}])
def test_unusual_16_bit_tiff(tag: dict[int, int], tmp_path: Path) -> None:
    data = cv2.imencode(".tiff", noise(channels=1 if 262 in tag else 4, dtype=np.uint16))[1].tobytes()
    order, offset = ifd.header(data)
    tree: ifd.Tree = dict(ifd.read(data, offset, order)[0])
    tree |= {name: ifd.Entry(ifd.SHORT, 1, struct.pack(order + "H", value)) for name, value in tag.items()}
    assert "unusual" in refusal(ifd.append_directory(data, tree, order), tmp_path)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_unusual_pixels(dtype: type, tmp_path: Path) -> None:
    assert "unusual" in refusal(saved(noise(channels=1).astype(dtype), "TIFF"), tmp_path)


def test_heif_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pillow_heif"):
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    message = refusal(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(40), tmp_path, "IMG_1.HEIC")
    assert "pip install 'faceshield[heif]'" in message


def test_too_large_for_the_format(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(saved(np.zeros((1, 70_000), np.uint8), "PNG"))
    photo = load(path)
    for format in ("jpeg", "webp"):
        with pytest.raises(PhotoError, match=r"wide\.png: cannot be written as"):
            encode(photo, photo.pixels, format=format)


def test_pillows_globals_are_left_alone(tmp_path: Path) -> None:
    before = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters), set(Image.OPEN))
    path = tmp_path / "in.jpg"
    path.write_bytes(saved(smooth(), "JPEG", exif=camera_exif(6)))
    load(path)
    refusal(b"hello", tmp_path)
    assert before[:3] == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    assert "HEIF" not in Image.OPEN or "HEIF" in before[3]


SEEDS = [
    saved(smooth(24, 24), "JPEG", exif=camera_exif(6)),
    saved(smooth(24, 24), "JPEG", progressive=True),
    saved(noise(8, 8), "PNG", exif=camera_exif(3)),
    saved(noise(8, 8, 1, np.uint16), "PNG"),
    saved(noise(8, 8), "TIFF", exif=camera_exif(8)),
    saved(smooth(24, 24), "WEBP", exif=camera_exif(2)),
    saved(noise(8, 8, 1), "GIF"),
    saved(noise(8, 8), "BMP"),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_crash(data: st.DataObject, tmp_path: Path) -> None:
    """Any few bytes changed: the photo loads and can be written, or it is refused in one line."""
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "in.jpg"
    path.write_bytes(content)
    photo = attempt(path, max_pixels=10_000)
    if photo is not None:
        assert decode(encode(photo, photo.pixels).data, path).pixels.shape == photo.pixels.shape


@pytest.mark.parametrize("path", sorted(ODD.glob("*")) or [None], ids=lambda path: getattr(path, "name", "absent"))
def test_every_odd_file_loads_or_is_refused(path: Path | None, tmp_path: Path) -> None:
    if path is None:
        pytest.skip(f"the shared data folder {SHARED.name!r} is absent")
    photo = attempt(path)
    if photo is None:
        return
    encoded = encode(photo, photo.pixels)
    written = tmp_path / ("out" + encoded.suffix)
    written.write_bytes(encoded.data)
    back = load(written)
    assert back.pixels.shape == photo.pixels.shape
    assert (back.orientation, back.grey, back.icc) == (photo.orientation, photo.grey, photo.icc)
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < (2 if min(photo.pixels.shape[:2]) > 16 else 8)


REFUSED = ("corrupted.png", "empty.png", "truncated.jpg", "iss634.gif")


@pytest.mark.parametrize("name", REFUSED)
def test_broken_odd_files_are_refused(name: str) -> None:
    found = list(ODD.glob(f"*{name}"))
    if not found:
        pytest.skip("the shared data folder is absent")
    for path in found:
        with pytest.raises(PhotoError):
            load(path)
