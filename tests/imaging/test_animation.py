"""What a moving picture may cost, and what becomes of a damaged one."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_samples import noise, saved
from PIL import Image

from faceshield.core.errors import PhotoError
from faceshield.imaging import animation, encoders
from faceshield.imaging.animation import open_animation
from faceshield.imaging.palette import index_colours
from faceshield.imaging.photo import decode

PATH = Path("face.gif")


def moving(format: str, count: int = 3, **options: Any) -> bytes:
    first, *rest = (Image.fromarray(noise(20, 30, seed=seed)) for seed in range(count))
    buffer = io.BytesIO()
    first.save(buffer, format, save_all=True, append_images=rest, duration=50, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_the_pixels_of_all_frames_are_bounded(format: str) -> None:
    data = moving(format, 9)
    with pytest.raises(PhotoError, match=r"face\.gif: has 9 frames of 30×20 pixels, .*; make it shorter"):
        open_animation(data, PATH, max_pixels=600 * 2)
    assert open_animation(data, PATH, max_pixels=600 * 3).count == 9
    with pytest.raises(PhotoError, match=r"30×20 pixels, more than"):
        open_animation(data, PATH, max_pixels=599)


def stating(format: str, width: int, height: int) -> bytes:
    """A moving picture of 30×20 pixels whose canvas is said to be larger."""
    data = moving(format)
    if format == "GIF":
        return data[:6] + struct.pack("<HH", width, height) + data[10:]
    return data[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[30:]


@pytest.mark.parametrize(("format", "width", "height"), [("GIF", 65535, 136), ("WEBP", 64, 1_048_624)])
def test_a_canvas_of_more_than_a_4k_frame_is_refused_before_it_is_decoded(
    format: str, width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation.raster, "from_picture", None)
    with pytest.raises(PhotoError, match=rf"face\.gif: moves and has {width}×{height} pixels, more than the 8\.8 mill"):
        open_animation(stating(format, width, height), PATH)


def test_a_canvas_of_a_4k_frame_is_taken() -> None:
    assert open_animation(stating("GIF", 4096, 2160), PATH).count == 3


def test_the_number_of_frames_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MAX_FRAMES", 2)
    with pytest.raises(PhotoError, match="more than the 2 frames"):
        open_animation(moving("GIF"), PATH)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_still_pictures_do_not_move(format: str) -> None:
    assert open_animation(saved(noise(), format), PATH) is None
    assert open_animation(b"hello", PATH) is None


def all_decoded(data: bytes) -> int:
    """How many frames are decoded, as a moving picture or as a still one."""
    found = open_animation(data, PATH)
    return len(list(found.frames())) if found else len([decode(data, PATH)])


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_cut_off_one_is_refused_in_a_line(format: str, keep: float) -> None:
    data = moving(format)
    assert all_decoded(data) == 3
    with pytest.raises(PhotoError) as caught:
        all_decoded(data[: int(keep * len(data))])
    assert str(caught.value).startswith("face.gif: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("lossless", "told"), [(True, True), (False, False)])
def test_a_webp_of_lossless_frames_is_lossless(lossless: bool, told: bool) -> None:
    assert open_animation(moving("WEBP", lossless=lossless), PATH).details["lossless"] is told


@pytest.mark.parametrize(
    ("colours", "hidden", "exact"), [(256, 0, True), (257, 0, False), (255, 9, True), (256, 9, False)]
)
def test_a_palette_is_exact_while_it_can_be(colours: int, hidden: int, exact: bool) -> None:
    values = np.arange(400) % colours
    rgb = np.stack([values & 255, values >> 8, values * 0], 1).astype(np.uint8).reshape(20, 20, 3)
    alpha = np.full((20, 20), 255, np.uint8)
    alpha.reshape(-1)[400 - hidden :] = 0
    found = index_colours(rgb, alpha)
    assert found.exact is exact
    assert len(found.palette) <= 256
    assert (found.clear is not None) == bool(hidden)
    shown = found.palette[found.indices]
    np.testing.assert_array_equal(found.indices == found.clear if hidden else alpha == 0, alpha == 0)
    if exact:
        np.testing.assert_array_equal(shown[alpha > 0], rgb[alpha > 0])


def test_a_moving_avif_does_not_tell_when_it_was_made() -> None:
    frames = [(noise(20, 30, seed=seed), 50.0) for seed in range(3)]
    ours, theirs = encoders.animated_avif(frames, 90), moving("AVIF", quality=90)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        assert theirs[theirs.index(name) + 8 :][:16] != bytes(16), "libavif no longer writes times: take this out"
        assert ours[ours.index(name) + 8 :][:16] == bytes(16)
    assert len(ours) == len(theirs)
    with Image.open(io.BytesIO(ours)) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        picture.seek(2)
        picture.load()
        assert picture.info["duration"] == 50
