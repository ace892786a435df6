"""What the report says of the written file, against decoding the whole file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.cloaking import check as check_module
from faceshield.cloaking.check import Written, check
from faceshield.cloaking.options import Options
from faceshield.core.errors import PhotoError
from faceshield.core.types import Photo
from faceshield.imaging.blend import Region
from faceshield.imaging.orientation import turn_back
from faceshield.imaging.photo import decode, encode

EPSILON = 8 / 255


def picture(height, width, seed):
    """Soft colours with grain: every pixel and every square of a codec differs from its neighbours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 23
    base = (
        128
        + 70 * np.stack([np.sin(x + y), np.cos(2 * x - y), np.sin(x * y)], 2)
        + rng.normal(0, 12, (height, width, 3))
    )
    return np.clip(base, 0, 255).astype(np.uint8)


def with_noise(pixels, region, seed):
    after = pixels.copy()
    level = np.random.default_rng(seed).integers(-8, 9, region.of(pixels).shape)
    region.of(after)[:] = np.clip(region.of(pixels) + level, 0, 255)
    return after


def worst(a, b, region):
    return int(np.abs(region.of(a.astype(int) - b)).max())


@settings(deadline=None, max_examples=60)
@given(
    st.integers(17, 150),
    st.integers(17, 150),
    st.integers(1, 8),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([40, 75, 95]),
    st.booleans(),
    st.data(),
)
def test_a_jpeg_is_measured_as_if_the_whole_file_were_decoded(height, width, turn, sampling, quality, grey, data):
    y0, x0 = data.draw(st.integers(0, height - 9)), data.draw(st.integers(0, width - 9))
    region = Region(y0, x0, data.draw(st.integers(y0 + 8, height)), data.draw(st.integers(x0 + 8, width)))
    pixels = picture(height, width, height)
    pixels = np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels
    tables = {40: 3, 75: 12, 95: 30}[quality]
    photo = Photo(
        pixels,
        Path("a.jpg"),
        "JPEG",
        grey=grey,
        orientation=turn,
        details={"qtables": [[tables] * 64] * 2, "subsampling": sampling},
    )
    after = with_noise(pixels, region, width)
    if grey:
        after = np.repeat(after[..., :1], 3, axis=2)
    encoded = encode(photo, after)
    found = check(photo, after, Written(encoded, photo.path), [region], EPSILON, Options())

    whole, untouched = (decode(file.data, photo.path).pixels for file in (encoded, encode(photo, pixels)))
    assert found.written_linf_255 == worst(whole, pixels, region)
    assert found.resaved_linf_255 == worst(untouched, pixels, region)
    assert found.lossless is False


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_part_that_is_coded_lies_on_the_squares_of_the_stored_raster(turn, monkeypatch):
    numbered = np.arange(90 * 130, dtype=np.uint16).reshape(90, 130)
    photo = Photo(np.repeat(numbered[..., None], 3, axis=2), Path("a.png"), "PNG", orientation=turn)
    parts = []
    real = check_module.encode
    monkeypatch.setattr(check_module, "encode", lambda part, *a, **k: parts.append(part) or real(part, *a, **k))
    encoded = encode(photo, photo.pixels, format="jpeg")
    check(photo, photo.pixels, Written(encoded, photo.path), [Region(33, 40, 55, 90)], EPSILON, Options(format="jpeg"))
    raster = turn_back(numbered, turn)
    for part in parts:
        cut = turn_back(part.pixels[..., 0].copy(), turn)
        (corner,) = np.argwhere(raster == cut[0, 0])
        assert (corner % 16 == 0).all()
        assert all(
            side % 16 == 0 or first + side == length
            for side, first, length in zip(cut.shape, corner, raster.shape, strict=True)
        )


def photo_of(format, **fields):
    return Photo(picture(60, 70, 0), Path(f"a.{format.lower()}"), format, **fields)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_lossless_files_are_held_to_the_bound_from_their_bytes(format):
    photo, region = photo_of(format), Region(10, 20, 40, 60)
    after = with_noise(photo.pixels, region, 1)
    found = check(photo, after, Written(encode(photo, after), photo.path), [region], EPSILON, Options())
    assert (found.lossless, found.written_linf_255, found.resaved_linf_255) == (True, 8, 0)

    too_much = photo.pixels.copy()
    too_much[20, 30] ^= 16
    with pytest.raises(AssertionError, match="break the bound"):
        check(photo, too_much, Written(encode(photo, too_much), photo.path), [region], EPSILON, Options())
    outside = photo.pixels.copy()
    outside[5, 5] ^= 1
    with pytest.raises(AssertionError, match="outside the face"):
        check(photo, outside, Written(encode(photo, outside), photo.path), [region], EPSILON, Options())


def test_bytes_that_are_not_the_pixels_are_refused():
    photo, region = photo_of("PNG"), Region(10, 20, 40, 60)
    after = with_noise(photo.pixels, region, 1)
    other = encode(photo, photo.pixels)
    with pytest.raises(PhotoError, match="did not keep the pixels"):
        check(photo, after, Written(other, photo.path), [region], EPSILON, Options())
    smaller = replace(photo, pixels=photo.pixels[:50])
    with pytest.raises(PhotoError, match="another size"):
        check(photo, after, Written(encode(smaller, smaller.pixels), photo.path), [region], EPSILON, Options())


def test_other_lossy_formats_are_decoded_as_a_whole():
    photo, region = photo_of("WEBP"), Region(10, 20, 40, 60)
    after = with_noise(photo.pixels, region, 1)
    encoded = encode(photo, after)
    found = check(photo, after, Written(encoded, photo.path), [region], EPSILON, Options())
    whole, untouched = (decode(file.data, photo.path).pixels for file in (encoded, encode(photo, photo.pixels)))
    assert found.lossless is False
    assert found.written_linf_255 == worst(whole, photo.pixels, region)
    assert found.resaved_linf_255 == worst(untouched, photo.pixels, region)


def test_a_written_file_is_decoded_once(monkeypatch):
    photo, calls = photo_of("PNG"), []
    monkeypatch.setattr(check_module, "decode", lambda data, path: calls.append(path) or decode(data, path))
    written = Written(encode(photo, photo.pixels), photo.path)
    assert calls == []
    assert np.array_equal(written.photo.pixels, written.photo.rgb8())
    assert calls == [photo.path]
