"""No other picture of the face leaves with the protected one, wherever the original had hidden it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from photo_samples import (
    ODD,
    camera_exif,
    changed,
    chunk,
    embedded_pictures,
    noise,
    saved,
    segment,
    smooth,
    thumbnail_exif,
    video,
    xmp_with,
)
from PIL import Image

from faceshield.core.errors import PhotoError
from faceshield.imaging.photo import Encoded, encode, load

CLEAN = smooth()
THUMBNAIL = saved(CLEAN[::2, ::2], "JPEG", quality=60)
XMP = xmp_with(THUMBNAIL)
XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"


def resource(number: int, content: bytes) -> bytes:
    return b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + len(content).to_bytes(4, "big") + content


def dirty_jpeg() -> bytes:
    """A JPEG with every hiding place used at once."""
    buffer = io.BytesIO()
    Image.fromarray(CLEAN).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(CLEAN[:, ::-1])])
    data = buffer.getvalue()
    extra = (
        segment(0xE0, b"JFXX\0\x10" + THUMBNAIL)
        + segment(0xE1, thumbnail_exif(THUMBNAIL))
        + segment(0xE1, XMP_MARK + XMP)
        + segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + XMP)
        + segment(0xE2, b"FPXR\0" + THUMBNAIL)
        + segment(0xE4, b"maker" + THUMBNAIL)
        + segment(0xEB, b"JP\0\0" + THUMBNAIL)
        + segment(0xED, b"Photoshop 3.0\0" + resource(1036, bytes(28) + THUMBNAIL) + resource(1028, b"IPTC"))
        + segment(0xFE, THUMBNAIL)
    )
    return data[:2] + extra + data[2:] + video()


def protect(data: bytes, tmp_path: Path, name: str, **options: object) -> Encoded:
    path = tmp_path / name
    path.write_bytes(data)
    photo = load(path)
    return encode(photo, changed(photo.pixels, photo.grey), **options)


@pytest.mark.parametrize("metadata", ["keep", "no-location", "none"])
@pytest.mark.parametrize("format", ["same", "png", "webp"])
def test_jpeg_with_every_hiding_place(format: str, metadata: str, tmp_path: Path) -> None:
    data = dirty_jpeg()
    assert len(embedded_pictures(data)) >= 10, "the searcher must be able to find them"
    encoded = protect(data, tmp_path, "in.jpg", format=format, metadata=metadata)
    assert embedded_pictures(encoded.data) == []
    said = " · ".join(encoded.stripped)
    for part in (
        "EXIF thumbnail", "second image (MPF)", "XMP packet", "extended XMP", "XMP thumbnail", "gain map",
        "JFIF thumbnail", "Photoshop block", "FlashPix", "C2PA", "APP4", "comment", "video or other data after",
    ):  # fmt: skip
        assert part in said


def test_trailing_bytes_are_counted(tmp_path: Path) -> None:
    encoded = protect(saved(CLEAN, "JPEG") + b"x" * 1234, tmp_path, "in.jpg")
    assert encoded.stripped == ["video or other data after the picture (1234 bytes)"]


def test_padding_is_not_worth_a_word(tmp_path: Path) -> None:
    assert protect(saved(CLEAN, "JPEG") + bytes(100), tmp_path, "in.jpg").stripped == []


def test_jfif_thumbnail_in_the_header(tmp_path: Path) -> None:
    data = saved(CLEAN, "JPEG")
    small = np.ascontiguousarray(CLEAN[::8, ::8])
    header = b"JFIF\0\1\1\0\0\1\0\1" + bytes((small.shape[1], small.shape[0])) + small.tobytes()
    encoded = protect(data[:2] + segment(0xE0, header) + data[20:], tmp_path, "in.jpg")
    assert encoded.stripped == ["JFIF thumbnail"]
    assert small.tobytes() not in encoded.data


def test_maker_note_and_large_values(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    exif[0x8769] = {0x927C: b"MAKER" + THUMBNAIL, 0x9286: b"ASCII\0\0\0" + b"x" * 5000, 0xA302: THUMBNAIL[:200]}
    encoded = protect(saved(CLEAN, "JPEG", exif=exif.tobytes()), tmp_path, "in.jpg")
    assert sorted(encoded.stripped) == ["EXIF CFAPattern", "EXIF UserComment", "maker note"]
    assert embedded_pictures(encoded.data) == []
    assert b"a description" in encoded.data


def test_png_chunks(tmp_path: Path) -> None:
    data = saved(CLEAN, "PNG")
    extra = (
        chunk(b"eXIf", thumbnail_exif(THUMBNAIL)[6:])
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        + chunk(b"tEXt", b"Preview\0" + THUMBNAIL)
        + chunk(b"faCe", THUMBNAIL)
        + chunk(b"gAMA", THUMBNAIL)  # a colour chunk of the wrong length carries nothing either
        + chunk(b"caBX", THUMBNAIL)
    )
    dirty = data[:33] + extra + data[33:] + THUMBNAIL
    assert len(embedded_pictures(dirty)) >= 6
    encoded = protect(dirty, tmp_path, "in.png")
    assert embedded_pictures(encoded.data) == []
    said = " · ".join(encoded.stripped)
    for part in ("EXIF thumbnail", "XMP packet", "text ('Preview')", "'faCe'", "C2PA", "after the picture"):
        assert part in said


def test_webp_chunks(tmp_path: Path) -> None:
    data = saved(CLEAN, "WEBP", exif=thumbnail_exif(THUMBNAIL), xmp=XMP)
    private = b"FACE" + len(THUMBNAIL).to_bytes(4, "little") + THUMBNAIL + bytes(len(THUMBNAIL) % 2)
    dirty = data[:4] + (len(data) + len(private) - 8).to_bytes(4, "little") + data[8:] + private + video()
    assert len(embedded_pictures(dirty)) >= 4
    encoded = protect(dirty, tmp_path, "in.webp")
    assert embedded_pictures(encoded.data) == []
    said = " · ".join(encoded.stripped)
    for part in ("EXIF thumbnail", "XMP packet", "'FACE'", "after the picture"):
        assert part in said


def test_tiff_pages_and_blocks(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pages = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    blocks = {700: XMP, 33723: b"IPTC" * 9, 34377: resource(1036, bytes(28) + THUMBNAIL), 37724: THUMBNAIL}
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], tiffinfo=blocks)
    encoded = protect(buffer.getvalue() + THUMBNAIL, tmp_path, "in.tif")
    assert embedded_pictures(encoded.data) == []
    assert pages[1].tobytes() not in encoded.data
    for part in ("2 further page(s)", "XMP packet", "IPTC block", "Photoshop block", "Photoshop layers"):
        assert part in encoded.stripped
    with Image.open(io.BytesIO(encoded.data)) as after:
        assert after.n_frames == 1


def test_gif_extensions(tmp_path: Path) -> None:
    encoded = protect(saved(noise(8, 8, 1), "GIF", comment=THUMBNAIL[:200]), tmp_path, "in.gif")
    assert embedded_pictures(encoded.data) == []
    assert "comment" in encoded.stripped


def test_heif_pictures_beside_the_first(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.HeifFile()
    large = Image.fromarray(np.tile(CLEAN, (4, 4, 1)))
    for picture in (large, large.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        file.add_from_pillow(picture)
    buffer = io.BytesIO()
    file.save(buffer, quality=60, thumbnails=[64], xmp=XMP, exif=thumbnail_exif(THUMBNAIL))
    motion = (8 + len(video())).to_bytes(4, "big") + b"mpvd" + video()
    encoded = protect(buffer.getvalue() + motion, tmp_path, "in.heic")
    after = pillow_heif.open_heif(io.BytesIO(encoded.data))
    assert (len(after), after.info["thumbnails"], after.info["depth_images"], after.info["aux"]) == (1, [], [], {})
    assert embedded_pictures(encoded.data) == []
    said = " · ".join(encoded.stripped)
    for part in ("further picture", "thumbnail", "XMP", "EXIF thumbnail", "'mpvd'"):
        assert part in said


@pytest.mark.parametrize("path", sorted(ODD.glob("*")) or [None], ids=lambda path: getattr(path, "name", "absent"))
def test_odd_files_leave_alone(path: Path | None) -> None:
    if path is None:
        pytest.skip("the shared data folder is absent")
    try:
        photo = load(path)
    except PhotoError:
        return
    encoded = encode(photo, photo.pixels)
    assert embedded_pictures(encoded.data) == []


def test_private_facts_are_named_and_can_be_left_behind(tmp_path: Path) -> None:
    data = saved(CLEAN, "JPEG", exif=camera_exif(6))
    kept = protect(data, tmp_path, "in.jpg")
    assert kept.notices == [
        "still says where it was taken (GPS)",
        "still names the artist",
        "still names the camera owner",
        "still names the camera serial number",
        "still names the lens serial number",
    ]
    assert kept.stripped == ["maker note"]
    for policy in ("no-location", "none"):
        encoded = protect(data, tmp_path, "in.jpg", metadata=policy)
        assert encoded.notices == []
        for secret in (b"Some One", b"BODY-123", b"LENS-456"):
            assert secret not in encoded.data
        with Image.open(io.BytesIO(encoded.data)) as after:
            exif = after.getexif()
            assert exif[0x0112] == 6
            assert not exif.get_ifd(0x8825)
            assert ("Tester" in exif.values()) == (policy == "no-location")
