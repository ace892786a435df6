"""Photos come back as they were: every format, depth, orientation, and the JPEG's own settings."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photo_samples import ODD, SRGB, TRANSPOSE, camera_exif, changed, chunk, noise, saved, smooth
from PIL import Image, ImageCms, ImageOps, features
from PIL.PngImagePlugin import PngInfo

from faceshield.core.errors import UsageError
from faceshield.core.types import Photo
from faceshield.imaging import ifd
from faceshield.imaging.photo import Encoded, encode, load

GREY_NOISE, RGB_NOISE = noise(channels=1), noise()
PALETTE = Image.fromarray(smooth()).quantize(16)


def loaded(data: bytes, tmp_path: Path, name: str = "in.jpg") -> Photo:
    (tmp_path / name).write_bytes(data)
    return load(tmp_path / name)


def again(encoded: Encoded, tmp_path: Path) -> Photo:
    return loaded(encoded.data, tmp_path, "out" + encoded.suffix)


def palette(format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    PALETTE.save(buffer, format, **options)
    return buffer.getvalue()


def deep(extension: str, channels: int, *options: int) -> bytes:
    return cv2.imencode(extension, noise(channels=channels, dtype=np.uint16), list(options))[1].tobytes()


LZW = (cv2.IMWRITE_TIFF_COMPRESSION, 5)
# name: file, then what must come back: format, dtype, grey, alpha
LOSSLESS = {
    "png rgb": (saved(RGB_NOISE, "PNG"), "PNG", np.uint8, False, False),
    "png rgba": (saved(noise(channels=4), "PNG"), "PNG", np.uint8, False, True),
    "png grey": (saved(GREY_NOISE, "PNG"), "PNG", np.uint8, True, False),
    "png grey alpha": (saved(noise(channels=2), "PNG", "LA"), "PNG", np.uint8, True, True),
    "png 2-bit grey": (saved(GREY_NOISE >> 6, "PNG", bits=2), "PNG", np.uint8, True, False),
    "png 1-bit": (saved(GREY_NOISE, "PNG", "1"), "PNG", np.uint8, True, False),
    "png palette": (palette("PNG"), "PNG", np.uint8, False, False),
    "png palette alpha": (palette("PNG", transparency=bytes((0, 90, 255))), "PNG", np.uint8, False, True),
    "png see-through": (saved(RGB_NOISE, "PNG", transparency=(1, 2, 3)), "PNG", np.uint8, False, True),
    "png 16-bit grey": (deep(".png", 1), "PNG", np.uint16, True, False),
    "png 16-bit rgb": (deep(".png", 3), "PNG", np.uint16, False, False),
    "png 16-bit rgba": (deep(".png", 4), "PNG", np.uint16, False, True),
    "tiff raw": (saved(RGB_NOISE, "TIFF"), "TIFF", np.uint8, False, False),
    "tiff lzw": (saved(RGB_NOISE, "TIFF", compression="tiff_lzw"), "TIFF", np.uint8, False, False),
    "tiff rgba": (saved(noise(channels=4), "TIFF", compression="packbits"), "TIFF", np.uint8, False, True),
    "tiff grey": (saved(GREY_NOISE, "TIFF"), "TIFF", np.uint8, True, False),
    "tiff grey alpha": (saved(noise(channels=2), "TIFF", "LA"), "TIFF", np.uint8, True, True),
    "tiff 16-bit grey": (deep(".tiff", 1, *LZW), "TIFF", np.uint16, True, False),
    "tiff 16-bit rgb": (deep(".tiff", 3, *LZW), "TIFF", np.uint16, False, False),
    "tiff cmyk": (saved(RGB_NOISE, "TIFF", "CMYK"), "TIFF", np.uint8, False, False),
    "webp": (saved(RGB_NOISE, "WEBP", lossless=True), "WEBP", np.uint8, False, False),
    "webp alpha": (saved(noise(channels=4), "WEBP", lossless=True, exact=True), "WEBP", np.uint8, False, True),
    "bmp": (saved(RGB_NOISE, "BMP"), "PNG", np.uint8, False, False),
    "bmp grey": (saved(GREY_NOISE, "BMP"), "PNG", np.uint8, True, False),
    "gif": (palette("GIF"), "PNG", np.uint8, False, False),
    "gif see-through": (palette("GIF", transparency=3), "PNG", np.uint8, False, True),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_stay_exact(name: str, tmp_path: Path) -> None:
    data, format, dtype, grey, alpha = LOSSLESS[name]
    photo = loaded(data, tmp_path)
    pixels = changed(photo.pixels, photo.grey)

    encoded = encode(photo, pixels)
    back = again(encoded, tmp_path)

    assert (encoded.format, back.format, back.grey, back.alpha is not None) == (format, format, grey, alpha)
    assert photo.pixels.dtype == back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, pixels)
    if photo.alpha is not None:
        np.testing.assert_array_equal(back.alpha, photo.alpha)
    assert not encoded.stripped
    assert not encoded.notices


@pytest.mark.parametrize("name", [name for name in LOSSLESS if "16-bit" not in name and "cmyk" not in name])
def test_pixels_are_what_pillow_shows(name: str, tmp_path: Path) -> None:
    data = LOSSLESS[name][0]
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(picture.convert("RGBA"))
    photo = loaded(data, tmp_path)
    np.testing.assert_array_equal(photo.pixels, expected[..., :3])
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, expected[..., 3])


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit_colours_are_in_rgb_order(extension: str, tmp_path: Path) -> None:
    photo = loaded(deep(extension, 3), tmp_path)
    np.testing.assert_array_equal(photo.pixels, noise(dtype=np.uint16)[..., ::-1])
    assert photo.white == 65535


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    format=st.sampled_from(["PNG", "TIFF", "WEBP"]),
    orientation=st.integers(1, 8),
    seed=st.integers(0, 99),
)
def test_any_small_lossless_photo_is_exact(
    height: int, width: int, channels: int, dtype: type, format: str, orientation: int, seed: int, tmp_path: Path
) -> None:
    if format == "WEBP":
        channels, dtype = max(channels, 3), np.uint8
    if format == "TIFF" and dtype == np.uint16 and channels == 2:
        channels = 1  # OpenCV has no two-channel TIFF
    planes = noise(height, width, channels, dtype, seed).reshape(height, width, channels)
    grey = channels < 3
    photo = Photo(
        pixels=np.repeat(planes[..., :1], 3, axis=2) if grey else planes[..., :3],
        path=tmp_path / f"in.{format.lower()}",
        format=format,
        grey=grey,
        alpha=planes[..., -1] if channels in (2, 4) else None,
        exif=camera_exif(orientation),
        orientation=orientation,
        details={"lossless": True, "compression": "tiff_lzw"},
    )
    pixels = changed(photo.pixels, grey, seed)
    back = again(encode(photo, pixels), tmp_path)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert (back.orientation, back.grey) == (orientation, grey)
    if photo.alpha is not None:
        np.testing.assert_array_equal(back.alpha, photo.alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_eight_orientations(format: str, orientation: int, tmp_path: Path) -> None:
    stored = smooth()
    options = {"quality": 100} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    data = saved(stored, format, exif=camera_exif(orientation), **options)
    photo = loaded(data, tmp_path)
    seen = Image.fromarray(stored)
    if orientation != 1:
        seen = seen.transpose(TRANSPOSE[orientation])
    assert photo.orientation == orientation
    assert photo.pixels.flags.c_contiguous
    assert np.abs(photo.pixels.astype(int) - np.asarray(seen)).max() <= (4 if format == "JPEG" else 0)

    encoded = encode(photo, photo.pixels)
    with Image.open(io.BytesIO(encoded.data)) as written, Image.open(io.BytesIO(data)) as original:
        assert written.getexif()[0x0112] == original.getexif()[0x0112] == orientation
        assert written.size == original.size
        shown = np.asarray(ImageOps.exif_transpose(written).convert("RGB"))
        expected = np.asarray(ImageOps.exif_transpose(original).convert("RGB"))
    assert np.abs(shown.astype(int) - expected).max() <= (4 if format == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_tiff_orientations(orientation: int, tmp_path: Path) -> None:
    data = deep(".tiff", 3)
    order, offset = ifd.header(data)
    tag = ifd.Entry(ifd.SHORT, 1, struct.pack(order + "H", orientation))
    photo = loaded(ifd.append_directory(data, {**ifd.read(data, offset, order)[0], 0x0112: tag}, order), tmp_path)
    stored = noise(dtype=np.uint16)[..., ::-1]
    for plane in range(3):  # Pillow turns 16-bit planes one at a time
        seen = Image.fromarray(np.ascontiguousarray(stored[..., plane]))
        seen = seen if orientation == 1 else seen.transpose(TRANSPOSE[orientation])
        np.testing.assert_array_equal(photo.pixels[..., plane], np.asarray(seen))
    back = again(encode(photo, photo.pixels), tmp_path)
    assert back.orientation == orientation
    np.testing.assert_array_equal(back.pixels, photo.pixels)


def xmp(orientation: int, form: str) -> bytes:
    stated = form.format(orientation).encode()
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description ' + stated + b"</rdf:RDF></x:xmpmeta>"


XMP_FORMS = ['tiff:Orientation="{}"/>', "tiff:Orientation = '{}'/>", "><tiff:Orientation>{}</tiff:Orientation>"]


def with_xmp(format: str, packet: bytes, exif: Image.Exif) -> bytes:
    if format != "PNG":
        return saved(smooth(), format, xmp=packet, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    return saved(smooth(), format, pnginfo=text, exif=exif)


@pytest.mark.parametrize("form", XMP_FORMS)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("stated", [1, 6])
def test_orientation_that_only_xmp_states(stated: int, format: str, form: str, tmp_path: Path) -> None:
    data = with_xmp(format, xmp(stated, form), Image.Exif())
    photo = loaded(data, tmp_path)
    assert photo.orientation == stated
    assert photo.pixels.shape == ((96, 128, 3) if stated == 1 else (128, 96, 3))
    encoded = encode(photo, photo.pixels)
    assert "XMP packet" in encoded.stripped
    with Image.open(io.BytesIO(encoded.data)) as written:
        assert written.getexif().get(0x0112, 1) == stated
        shown = np.asarray(ImageOps.exif_transpose(written).convert("RGB")).astype(int)
    with Image.open(io.BytesIO(data)) as original:
        seen = original.convert("RGB")
    expected = np.asarray(seen if stated == 1 else seen.transpose(TRANSPOSE[stated]))
    assert np.abs(shown - expected).max() <= (16 if format == "JPEG" else 0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_outranks_xmp(format: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    assert loaded(with_xmp(format, xmp(6, XMP_FORMS[0]), exif), tmp_path).orientation == 3


@pytest.mark.parametrize("form", ['tiff:Orientation="0"/>', 'tiff:Orientation="12"/>', 'x:Orientation="6"/>', "/>"])
def test_xmp_that_states_no_orientation(form: str, tmp_path: Path) -> None:
    assert loaded(with_xmp("JPEG", xmp(0, form), Image.Exif()), tmp_path).orientation == 1


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientations_of_real_files(orientation: int, tmp_path: Path) -> None:
    path = ODD / f"pillow_tests__hopper_orientation_{orientation}.jpg"
    if not path.exists():
        pytest.skip("the shared data folder is absent")
    photo = load(path)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(photo.pixels, np.asarray(ImageOps.exif_transpose(picture)))
    with Image.open(io.BytesIO(encode(photo, photo.pixels).data)) as written:
        assert written.getexif()[0x0112] == orientation
        shown = np.asarray(ImageOps.exif_transpose(written)).astype(int)
    assert np.abs(shown - photo.pixels).mean() < 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_settings_stay(subsampling: int, progressive: bool, tmp_path: Path) -> None:
    data = saved(smooth(), "JPEG", quality=83, subsampling=subsampling, progressive=progressive, dpi=(300, 200))
    photo = loaded(data, tmp_path)
    encoded = encode(photo, photo.pixels)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(encoded.data)) as after:
        assert after.quantization == before.quantization
        assert after.layer == before.layer
        assert after.info.get("progressive") == before.info.get("progressive")
        assert after.info["dpi"] == before.info["dpi"] == (300, 200)
    difference = np.abs(again(encoded, tmp_path).pixels.astype(int) - photo.pixels)
    assert difference.mean() < 0.3
    assert abs(len(encoded.data) - len(data)) < 0.02 * len(data)
    assert not encoded.changes


def test_jpeg_tables_follow_their_channels(tmp_path: Path) -> None:
    tables = [[value] * 64 for value in (3, 5, 7)]
    photo = loaded(saved(smooth(), "JPEG", qtables=tables, subsampling=0), tmp_path)
    with Image.open(io.BytesIO(encode(photo, photo.pixels).data)) as after:
        assert [after.quantization[component[3]][0] for component in after.layer] == [3, 5, 7]


def test_jpeg_stored_as_rgb_stays_so(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "JPEG", quality=95, keep_rgb=True), tmp_path)
    assert photo.details["keep_rgb"]
    back = again(encode(photo, photo.pixels), tmp_path)
    assert back.details["keep_rgb"]
    assert np.abs(back.pixels.astype(int) - photo.pixels).max() <= 1


def test_unusual_subsampling_is_not_made_coarser(tmp_path: Path) -> None:
    data = bytearray(saved(smooth(), "JPEG", subsampling=1))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x21
    data[frame + 11] = 0x12  # 4:4:0 is 4:2:2 turned; the scan is nonsense now, but there is enough of it
    photo = loaded(bytes(data), tmp_path)
    encoded = encode(photo, photo.pixels)
    assert any("resolution" in change for change in encoded.changes)
    assert again(encoded, tmp_path).details["subsampling"] == 0


def test_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    photo = loaded(saved(smooth()[..., 0], "JPEG", quality=90), tmp_path, "Grau.JPG")
    assert photo.grey
    encoded = encode(photo, changed(photo.pixels, grey=True))
    assert encoded.suffix == ".JPG"
    with Image.open(io.BytesIO(encoded.data)) as after:
        assert after.mode == "L"


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    data = saved(smooth(), "JPEG", "CMYK", quality=95)
    photo = loaded(data, tmp_path)
    assert np.abs(photo.pixels.astype(int) - smooth()).mean() < 3
    encoded = encode(photo, photo.pixels)
    assert "CMYK colours become RGB" in encoded.changes
    with Image.open(io.BytesIO(encoded.data)) as after:
        assert after.mode == "RGB"


def test_quality_can_be_chosen(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "JPEG", quality=95, subsampling=0), tmp_path)
    small, large = encode(photo, photo.pixels, quality=30), encode(photo, photo.pixels, quality=98)
    assert len(small.data) < len(large.data)
    assert again(small, tmp_path).details["subsampling"] == 0


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_icc_profile_stays(format: str, tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), format, icc_profile=SRGB), tmp_path)
    encoded = encode(photo, photo.pixels)
    with Image.open(io.BytesIO(encoded.data)) as after:
        assert after.info["icc_profile"] == SRGB
    assert not encoded.stripped


def test_profile_of_a_grey_photo(tmp_path: Path) -> None:
    photo = loaded(saved(smooth()[..., 0], "PNG", icc_profile=SRGB), tmp_path)
    assert again(encode(photo, photo.pixels), tmp_path).icc == SRGB
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    photo = loaded(saved(smooth()[..., 0], "PNG", icc_profile=grey), tmp_path)
    assert again(encode(photo, photo.pixels), tmp_path).icc == grey
    assert encode(photo, photo.pixels, format="webp").stripped == ["colour profile (damaged or for other colours)"]


@pytest.mark.parametrize("icc", [b"nonsense", SRGB[:200], SRGB[:16] + b"CMYK" + SRGB[20:]])
def test_unfit_profile_is_dropped_and_named(icc: bytes, tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "PNG", icc_profile=icc), tmp_path)
    encoded = encode(photo, photo.pixels)
    assert encoded.stripped == ["colour profile (damaged or for other colours)"]
    assert again(encoded, tmp_path).icc is None


def test_data_behind_a_profile_is_cut_off(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "PNG", icc_profile=SRGB + saved(smooth(), "JPEG")), tmp_path)
    assert again(encode(photo, photo.pixels), tmp_path).icc == SRGB


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_resolution_stays(format: str, tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), format, dpi=(300, 150)), tmp_path)
    for policy in ("keep", "none"):
        with Image.open(io.BytesIO(encode(photo, photo.pixels, metadata=policy).data)) as after:
            np.testing.assert_allclose([float(value) for value in after.info["dpi"]], (300, 150), rtol=1e-3)


def test_png_colour_chunks_stay(tmp_path: Path) -> None:
    gamma = chunk(b"gAMA", struct.pack(">I", 45455))
    for data in (LOSSLESS["png rgb"][0], LOSSLESS["png 16-bit rgb"][0]):
        photo = loaded(data[:33] + gamma + data[33:], tmp_path)
        assert gamma in encode(photo, photo.pixels).data


def test_see_through_16_bit_colour_becomes_alpha(tmp_path: Path) -> None:
    for channels in (1, 3):
        values = noise(channels=channels, dtype=np.uint16)
        data = deep(".png", channels)
        key = np.atleast_1d(values[2, 3])[::-1].astype(">u2").tobytes()
        photo = loaded(data[:33] + chunk(b"tRNS", key.rjust(2 * channels)) + data[33:], tmp_path)
        assert photo.alpha[2, 3] == 0
        assert (photo.alpha == 65535).sum() == photo.alpha.size - 1


@pytest.mark.parametrize(("source", "format"), [("PNG", "jpeg"), ("PNG", "webp"), ("JPEG", "png"), ("WEBP", "png")])
def test_another_format(source: str, format: str, tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), source), tmp_path, f"in.{source.lower()}")
    encoded = encode(photo, photo.pixels, format=format)
    assert encoded.format == format.upper()
    assert encoded.suffix == {"jpeg": ".jpg"}.get(format, "." + format)
    assert any(source in change for change in encoded.changes)
    assert np.abs(again(encoded, tmp_path).pixels.astype(int) - photo.pixels).mean() < 2


def test_lossless_to_lossy_says_so(tmp_path: Path) -> None:
    photo = loaded(LOSSLESS["png rgba"][0], tmp_path)
    changes = " ".join(encode(photo, photo.pixels, format="jpeg").changes)
    assert "with loss" in changes
    assert "white" in changes
    assert "with loss" in " ".join(encode(photo, photo.pixels, format="webp", quality=80).changes)
    exact = encode(photo, photo.pixels, format="webp")
    np.testing.assert_array_equal(again(exact, tmp_path).pixels, photo.pixels)


def test_16_bits_to_jpeg_says_so(tmp_path: Path) -> None:
    photo = loaded(LOSSLESS["png 16-bit rgba"][0], tmp_path)
    encoded = encode(photo, photo.pixels, format="jpeg")
    assert any("16 bits" in change for change in encoded.changes)
    assert again(encoded, tmp_path).pixels.dtype == np.uint8


def test_lossy_webp_stays_lossy(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "WEBP", quality=80), tmp_path)
    encoded = encode(photo, photo.pixels)
    assert b"VP8 " in encoded.data[:64]
    assert np.abs(again(encoded, tmp_path).pixels.astype(int) - photo.pixels).mean() < 2


def test_content_not_name_decides(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "WEBP"), tmp_path, "photo.jpg")
    encoded = encode(photo, photo.pixels)
    assert (photo.format, encoded.format, encoded.suffix) == ("WEBP", "WEBP", ".webp")
    assert any(".jpg" in change for change in encoded.changes)


def test_unicode_names(tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "JPEG"), tmp_path, "Fräulein 写真 🙂.jpeg")
    assert encode(photo, photo.pixels).suffix == ".jpeg"


def test_pixels_that_do_not_fit_are_a_bug(tmp_path: Path) -> None:
    photo = loaded(saved(smooth()[..., 0], "PNG"), tmp_path)
    with pytest.raises(ValueError, match="equal"):
        encode(photo, changed(photo.pixels))
    with pytest.raises(ValueError, match="uint8"):
        encode(photo, photo.pixels.astype(np.uint16))


@pytest.mark.parametrize("option", [{"format": "bmp"}, {"quality": 0}, {"quality": 101}, {"metadata": "no-gps"}])
def test_unknown_options_are_named(option: dict[str, object], tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "JPEG"), tmp_path)
    with pytest.raises(UsageError, match=r"use '"):
        encode(photo, photo.pixels, **option)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("orientation", [1, 6])
def test_avif(orientation: int, tmp_path: Path) -> None:
    photo = loaded(saved(smooth(), "AVIF", quality=95, exif=camera_exif(orientation)), tmp_path)
    back = again(encode(photo, photo.pixels), tmp_path)
    assert (back.format, back.orientation) == ("AVIF", orientation)
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 2


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "RGB;16"])
def test_heif(mode: str, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    array = {"L": smooth()[..., 0], "RGBA": np.dstack([smooth(), smooth()[..., 1]])}.get(mode, smooth())
    array = array.astype(np.uint16) * 257 if "16" in mode else np.ascontiguousarray(array)
    picture = pillow_heif.from_bytes(mode, array.shape[1::-1], array.tobytes())
    picture.info["icc_profile"], picture.info["icc_profile_type"] = SRGB, "prof"
    buffer = io.BytesIO()
    picture.save(buffer, quality=90, exif=camera_exif(6))  # the tag is a leftover: HEIF turns in its own way
    photo = loaded(buffer.getvalue(), tmp_path, "in.HEIC")
    assert (photo.format, photo.orientation, photo.grey) == ("HEIF", 1, mode == "L")
    encoded = encode(photo, photo.pixels)
    back = again(encoded, tmp_path)
    assert encoded.suffix == ".HEIC"
    assert (back.icc, back.pixels.dtype, back.grey) == (SRGB, photo.pixels.dtype, photo.grey)
    scale = back.white / 255
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 3 * scale
    assert any("GPS" in notice for notice in encoded.notices)


def test_cmyk_goes_through_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No CMYK profile ships with Pillow: see that the profile is asked, and that a damaged one does no harm."""
    asked = []

    def convert(picture: Image.Image, *_: object, **__: object) -> Image.Image:
        asked.append(picture.mode)
        raise ImageCms.PyCMSError("damaged")

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda data: data)
    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    photo = loaded(saved(smooth(), "JPEG", "CMYK", icc_profile=SRGB), tmp_path)
    assert asked == ["CMYK"]
    assert photo.icc is None
