"""The files of `test_files_people_have`: one portrait, saved as cameras, phones, editors and messengers save it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from photo_samples import SRGB, TRANSPOSE, camera_exif, chunk, saved, segment, thumbnail_exif, video
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Make = Callable[[np.ndarray], bytes]


@dataclass(frozen=True)
class Kind:
    """A file and what must come back.

    make: (H, W, 3) uint8 to the file · name: its own · exact: no pixel outside the face may change · deep: 16 bits
    says: a word of what is told · like: how far the file may be from the portrait, in mean levels
    """

    make: Make
    name: str = "a.png"
    exact: bool = True
    deep: bool = False
    grey: bool = False
    alpha: bool = False
    orientation: int = 1
    icc: bytes | None = None
    says: str = ""
    like: float = 4


def p3() -> bytes:
    """sRGB's profile with Display P3's primaries."""
    profile = bytearray(SRGB)
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.292, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    for entry in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        tag, place = bytes(profile[entry : entry + 4]), int.from_bytes(profile[entry + 4 : entry + 8], "big")
        if tag in primaries:
            profile[place + 8 : place + 20] = struct.pack(">3i", *(round(value * 65536) for value in primaries[tag]))
    return bytes(profile)


def large_profile() -> bytes:
    """sRGB's profile, 200 KB long, as those of printers are: a JPEG holds it in four segments."""
    return (200_000).to_bytes(4, "big") + SRGB[4:] + bytes(np.random.default_rng(0).bytes(200_000 - len(SRGB)))


P3, LARGE = p3(), large_profile()


def turned(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """The raster that shows ``rgb`` under the EXIF ``orientation``, by Pillow."""
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    how = undo.get(orientation, TRANSPOSE.get(orientation))
    return np.asarray(Image.fromarray(rgb) if how is None else Image.fromarray(rgb).transpose(how))


def pillow(format: str, mode: str | None = None, **options: Any) -> Make:
    return lambda rgb: saved(rgb, format, mode, **options)


def oriented(format: str, orientation: int, **options: Any) -> Make:
    return lambda rgb: saved(turned(rgb, orientation), format, exif=camera_exif(orientation), **options)


def with_alpha(rgb: np.ndarray) -> np.ndarray:
    """RGBA: a soft hole in a corner."""
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[-40:, :40] = np.arange(40, dtype=np.uint8) * 6
    return np.dstack([rgb, alpha])


def see_through(format: str, mode: str | None = None, **options: Any) -> Make:
    return lambda rgb: saved(with_alpha(rgb), format, mode, **options)


def palette(format: str, clear: bool = False, **options: Any) -> Make:
    """``clear``: the colour of the lower left corner is see-through."""

    def make(rgb: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        picture = Image.fromarray(rgb).quantize(250, kmeans=1)
        corner = {"transparency": picture.getpixel((0, picture.height - 1))} if clear else {}
        picture.save(buffer, format, **corner, **options)
        return buffer.getvalue()

    return make


def sixteen(rgb: np.ndarray, grey: bool, alpha: bool) -> np.ndarray:
    """(H, W[, C]) uint16 whose low bytes are no copies of the high ones."""
    source = with_alpha(rgb) if alpha else rgb
    deep = source.astype(np.uint16) * 257
    deep[..., :3] ^= np.random.default_rng(0).integers(0, 255, deep[..., :3].shape, np.uint16)
    if grey:
        deep = np.dstack([deep[..., 1], deep[..., 3]]) if alpha else deep[..., 1]
    return deep


def png16(grey: bool, alpha: bool) -> Make:
    def make(rgb: np.ndarray) -> bytes:
        array = sixteen(rgb, grey, alpha)
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
        kind = 4 * alpha + 2 * (not grey)
        head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, kind, 0, 0, 0)
        parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    return make


def tiff16(grey: bool, alpha: bool) -> Make:
    def make(rgb: np.ndarray) -> bytes:
        array = sixteen(rgb, grey, alpha)
        turned_round = array if grey else array[..., [2, 1, 0, 3][: array.shape[2]]]
        return cv2.imencode(".tiff", turned_round, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()

    return make


def heic(mode: str = "RGB", **options: Any) -> Make:
    def make(rgb: np.ndarray) -> bytes:
        import pillow_heif

        deep = mode.endswith(";16")
        array = with_alpha(rgb) if "A" in mode else rgb
        raw = (array.astype("<u2") * 257 if deep else array).tobytes()
        buffer = io.BytesIO()
        picture = pillow_heif.from_bytes(mode, array.shape[1::-1], raw)
        picture.save(buffer, quality=95, **options)
        return buffer.getvalue()

    return make


def pages(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "TIFF", save_all=True, append_images=[Image.fromarray(rgb[:60])])
    return buffer.getvalue()


def mpo(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(rgb[:, ::-1])], quality=92)
    return buffer.getvalue()


def behind(make: Make, rest: bytes) -> Make:
    return lambda rgb: make(rgb) + rest


def within(make: Make, part: bytes, place: int = 2) -> Make:
    return lambda rgb: make(rgb)[:place] + part + make(rgb)[place:]


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", "made by somebody")
    return info


JPEG, XMP = pillow("JPEG", quality=92), b"http://ns.adobe.com/xap/1.0/\0"
ORIENTED = {
    f"{name}, turned {turn}": Kind(oriented(format, turn, **options), f"a.{suffix}", exact, orientation=turn)
    for name, format, suffix, exact, options in (
        ("jpeg", "JPEG", "jpg", False, {"quality": 92}),
        ("png", "PNG", "png", True, {}),
        ("webp", "WEBP", "webp", True, {"lossless": True}),
        ("avif", "AVIF", "avif", False, {"quality": 90, "speed": 9}),
        ("tiff", "TIFF", "tif", True, {}),
    )
    for turn in range(1, 9)
}
PROFILES = {
    f"{name}, {kind} profile": Kind(pillow(format, icc_profile=icc, **options), f"a.{suffix}", exact, icc=icc)
    for kind, icc in (("P3", P3), ("200-KB", LARGE))
    for name, format, suffix, exact, options in (
        ("jpeg", "JPEG", "jpg", False, {"quality": 92}),
        ("png", "PNG", "png", True, {}),
        ("webp", "WEBP", "webp", True, {"lossless": True}),
        ("avif", "AVIF", "avif", False, {"quality": 90, "speed": 9}),
        ("tiff", "TIFF", "tif", True, {}),
    )
}
COLOURS = {
    "jpeg cmyk": Kind(pillow("JPEG", "CMYK", quality=92), "a.jpg", False, says="CMYK colours become RGB"),
    "tiff cmyk": Kind(pillow("TIFF", "CMYK"), "a.tif", says="CMYK colours become RGB"),
    "jpeg grey": Kind(pillow("JPEG", "L", quality=92), "a.jpg", False, grey=True),
    "png grey": Kind(pillow("PNG", "L"), grey=True),
    "tiff grey": Kind(pillow("TIFF", "L"), "a.tif", grey=True),
    "bmp grey": Kind(pillow("BMP", "L"), "a.bmp", grey=True, says="BMP becomes PNG"),
    "bmp": Kind(pillow("BMP"), "a.bmp", says="BMP becomes PNG"),
    "png grey and alpha": Kind(see_through("PNG", "LA"), grey=True, alpha=True),
    "tiff grey and alpha": Kind(see_through("TIFF", "LA"), "a.tif", grey=True, alpha=True),
    "png 1-bit": Kind(pillow("PNG", "1"), grey=True, says="1-bit black and white", like=128),
    "png alpha": Kind(see_through("PNG"), alpha=True),
    "webp alpha": Kind(see_through("WEBP", lossless=True, exact=True), "a.webp", alpha=True),
    "tiff alpha": Kind(see_through("TIFF"), "a.tif", alpha=True),
    "avif alpha": Kind(see_through("AVIF", quality=90, speed=9), "a.avif", False, alpha=True),
    "webp lossy alpha": Kind(see_through("WEBP", quality=90), "a.webp", False, alpha=True),
    "png see-through colour": Kind(pillow("PNG", transparency=(1, 2, 3)), alpha=True, says="see-through colour"),
    **{
        f"{name} 16-bit {'grey' if grey else 'rgb'}{' and alpha' if alpha else ''}": Kind(
            make(grey, alpha), f"a.{name}", deep=True, grey=grey, alpha=alpha
        )
        for name, make in (("png", png16), ("tiff", tiff16))
        for grey in (False, True)
        for alpha in (False, True)
        if (name, grey, alpha) != ("tiff", True, True)  # which OpenCV does not write
    },
    "png palette": Kind(palette("PNG"), says="palette becomes full colour", like=8),
    "png palette, one see-through": Kind(palette("PNG", clear=True), alpha=True, says="palette", like=8),
    "png palette, soft": Kind(palette("PNG", transparency=bytes(range(250))), alpha=True, says="palette", like=8),
    "gif": Kind(palette("GIF"), "a.gif", says="GIF becomes PNG", like=8),
    "gif see-through": Kind(palette("GIF", clear=True), "a.gif", alpha=True, says="GIF becomes PNG", like=8),
    "tiff palette": Kind(palette("TIFF"), "a.tif", says="palette", like=8),
    "bmp palette": Kind(palette("BMP"), "a.bmp", says="palette", like=8),
}
CONTAINERS = {
    "jpeg progressive": Kind(pillow("JPEG", progressive=True), "a.jpg", False),
    "jpeg 4:2:2": Kind(pillow("JPEG", subsampling="4:2:2"), "a.jpg", False),
    "jpeg 4:4:4": Kind(pillow("JPEG", subsampling="4:4:4"), "a.jpg", False),
    "jpeg low quality": Kind(pillow("JPEG", quality=40), "a.jpg", False, like=8),
    "jpeg of rgb": Kind(pillow("JPEG", keep_rgb=True, quality=92), "a.jpg", False),
    "jpeg with restarts": Kind(pillow("JPEG", restart_marker_rows=1), "a.jpg", False),
    "jpeg named png": Kind(JPEG, "a.png", False, says="the name says .png, but the file is JPEG"),
    "jpeg with bytes behind it": Kind(behind(JPEG, bytes(3000) + b"x"), "a.jpg", False, says="after the picture"),
    "jpeg with a video": Kind(behind(JPEG, video()), "a.jpg", False, says="video or other data after the picture"),
    "jpeg without its end": Kind(lambda rgb: JPEG(rgb)[:-2], "a.jpg", False, says="the end marker was missing"),
    "jpeg with a thumbnail": Kind(
        lambda rgb: saved(rgb, "JPEG", exif=thumbnail_exif(saved(rgb[::8, ::8], "JPEG"))), "a.jpg", False,
        says="EXIF thumbnail",
    ),
    "jpeg turned by xmp": Kind(
        lambda rgb: within(lambda _: JPEG(turned(rgb, 6)), segment(0xE1, XMP + b'<x tiff:Orientation="6"/>'))(rgb),
        "a.jpg", False, orientation=6, says="XMP packet",
    ),
    "mpo": Kind(mpo, "a.mpo", False, says="second image (MPF)"),
    "png with text": Kind(pillow("PNG", pnginfo=text()), says="text ('Comment')"),
    "png with bytes behind it": Kind(behind(pillow("PNG"), b"x" * 40), says="after the picture (40 bytes)"),
    "png with camera data": Kind(pillow("PNG", exif=camera_exif()), says="still says where it was taken"),
    "webp lossy": Kind(pillow("WEBP", quality=90), "a.webp", False, says="quality 90"),
    "webp with bytes behind it": Kind(
        behind(pillow("WEBP", lossless=True), b"x" * 40), "a.webp", says="after the picture"
    ),
    "tiff of lzw": Kind(pillow("TIFF", compression="tiff_lzw"), "a.tiff"),
    "tiff of jpeg": Kind(pillow("TIFF", compression="jpeg", quality=95), "a.tif", says="Deflate"),
    "tiff of several pages": Kind(pages, "a.tif", says="1 further page(s)"),
    "bigtiff": Kind(pillow("TIFF", big_tiff=True), "a.tif"),
    "bigtiff, turned": Kind(
        lambda rgb: saved(turned(rgb, 6), "TIFF", big_tiff=True, tiffinfo={274: 6, 271: "A maker"}), "a.tif",
        orientation=6,
    ),
    "heic": Kind(heic(), "a.heic", False, says="quality 90"),
    "heic with alpha": Kind(heic("RGBA"), "a.heic", False, alpha=True),
    "heic of 10 bits": Kind(heic("RGB;16"), "a.heic", False, deep=True),
    "heic with a profile": Kind(
        lambda rgb: heic(icc_profile=P3, icc_profile_type="prof")(rgb), "a.heic", False, icc=P3
    ),
}  # fmt: skip
WRITTEN = {**ORIENTED, **PROFILES, **COLOURS, **CONTAINERS}
REFUSED: dict[str, tuple[Make, str]] = {
    "jpeg cut off": (lambda rgb: JPEG(rgb)[:-300], "cut off"),
    "png cut off": (lambda rgb: saved(rgb, "PNG")[:-3000], "cut off"),
    "webp cut off": (lambda rgb: saved(rgb, "WEBP")[:-800], "cut off"),
    "heic cut off": (lambda rgb: heic()(rgb)[:-500], "cut off"),
    "avif cut off": (lambda rgb: saved(rgb, "AVIF", speed=9)[:-500], "cut off"),
    "tiff of floats": (lambda rgb: saved(rgb[..., 1].astype(np.float32), "TIFF"), "unusual kind"),
    "camera raw": (lambda rgb: saved(rgb, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "camera's raw file"),
    "a pdf": (lambda _: b"%PDF-1.7 and so on", "not a picture"),
    "nothing": (lambda _: b"", "is empty"),
}
