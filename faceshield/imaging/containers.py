"""What a picture file holds beside the picture: named for the report, because none of it is written back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

# in JPEG scan data 0xFF is followed by 0 (a stuffed byte), a restart marker, or the next segment
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# how a JPEG's application data begins, and its name; None for what is carried over or made anew
_APPS = {
    (0xE0, b"JFIF\0"): None,
    (0xE0, b"JFXX\0"): "JFIF thumbnail",
    (0xE1, b"Exif\0"): None,
    (0xE1, b"http://ns.adobe.com/xmp/extension/"): "extended XMP",
    (0xE2, b"ICC_PROFILE\0"): None,
    (0xE2, b"MPF\0"): "second image (MPF)",
    (0xE2, b"FPXR\0"): "FlashPix data",
    (0xEB, b"JP"): "content credentials (C2PA)",
    (0xED, b"Photoshop 3.0\0"): "Photoshop block (IPTC, thumbnails)",
    (0xEE, b"Adobe"): None,
}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|\s*>)\s*([1-8])\s*[\"'<]")
_XMP_PARTS = {
    b"hdrgm:": "gain map (HDR)",
    b"HDRGainMap": "gain map (HDR)",
    b"GDepth": "depth map",
    b"GImage": "second image (XMP)",
    b"xmpGImg": "XMP thumbnail",
}
PNG_COLOUR = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}  # chunk and the only length it may have
_CARRIED_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"pHYs", b"eXIf", *PNG_COLOUR}
_CARRIED_CHUNKS |= {b"acTL", b"fcTL", b"fdAT"}  # frames, which are cloaked or counted


def list_extras(data: bytes, format: str, info: Mapping[Any, Any]) -> list[str]:
    """Plain words for each part of the file that a rewrite leaves behind ("XMP packet", …), without repeats.

    ``info`` is what the decoder found, for formats that are not searched here. EXIF is not looked into.
    Damaged structure is no error: the search ends there.
    """
    search = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "HEIF": _boxes, "AVIF": _boxes}.get(format)
    found = list(search(data)) if search else []
    if format in ("HEIF", "AVIF", "GIF"):
        xmp = info.get("xmp") or b""
        found += read_xmp_parts(xmp.encode() if isinstance(xmp, str) else xmp) if xmp else []
        found += ["comment"] if info.get("comment") else []
    return list(dict.fromkeys(found))


def read_xmp_orientation(data: bytes, format: str, info: Mapping[Any, Any]) -> int | None:
    """The orientation 1–8 that the XMP packet of a JPEG, PNG or WebP states; None where there is none.

    ``info`` is what the decoder found. For files whose EXIF says nothing, as some editors write them.
    """
    if format == "JPEG":
        head = takewhile(lambda segment: segment[0] != 0xDA, read_jpeg_segments(data))
        packet = next((content for marker, content in head if marker == 0xE1 and content.startswith(_XMP)), b"")
    else:
        packet = info.get({"PNG": "XML:com.adobe.xmp", "WEBP": "xmp"}.get(format)) or b""
    found = _XMP_ORIENTATION.search(packet.encode() if isinstance(packet, str) else packet)
    return int(found[1]) if found else None


def count_jpeg_scans(data: bytes) -> int:
    """How many scans a JPEG holds: each costs a pass over the whole picture, so a hostile file has thousands."""
    return sum(marker == 0xDA for marker, _ in read_jpeg_segments(data))


def webp_is_lossless(data: bytes) -> bool:
    """Whether the picture of a WebP, or each of its frames, is stored as VP8L."""
    kinds = {name for name, _ in read_riff_chunks(data)}
    for name, content in read_riff_chunks(data):
        if name == b"ANMF":  # 16 bytes of place and time, then chunks like a file's own
            kinds |= {inner for inner, _ in read_riff_chunks(bytes(12) + content[16:], len(content) - 4)}
    return b"VP8L" in kinds and b"VP8 " not in kinds


def read_png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of each PNG chunk; the type is b"" for what lies behind the last one."""
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        name = data[place + 4 : place + 8]
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length
        if name == b"IEND":
            break
    yield b"", data[place:]


def read_xmp_parts(xmp: bytes) -> list[str]:
    """An XMP packet's name, and those of the pictures it holds or speaks of."""
    return ["XMP packet", *(name for mark, name in _XMP_PARTS.items() if mark in xmp)]


def read_jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of each JPEG segment; the marker is 0xD9 for what lies behind the end of the picture."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) < len(data) - 1:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        place += 2
        if marker == 0xD9:
            yield marker, data[place:]
            return
        if marker in (0x00, 0x01, *range(0xD0, 0xD9)):
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        yield marker, data[place + 2 : place + length]
        place += max(length, 2)
        if marker == 0xDA:
            end = _SCAN_END.search(data, place)
            place = end.start() if end else len(data)


def _jpeg(data: bytes) -> Iterator[str]:
    for marker, content in read_jpeg_segments(data):
        if marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) > 14:
            yield "JFIF thumbnail"
        elif marker == 0xE1 and content.startswith(_XMP):
            yield from read_xmp_parts(content)
        elif marker == 0xFE:
            yield "comment"
        elif marker == 0xD9:
            yield from _name_trailer(content)
        elif 0xE0 <= marker <= 0xEF:
            names = (name for (app, mark), name in _APPS.items() if app == marker and content.startswith(mark))
            name = next(names, f"application data (APP{marker - 0xE0})")
            if name:
                yield name


def _png(data: bytes) -> Iterator[str]:
    for name, content in read_png_chunks(data):
        if name == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
            yield from read_xmp_parts(content)
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword = content.partition(b"\0")[0].decode("latin-1")
            yield f"text ({keyword[:40]!r})"
        elif name == b"caBX":
            yield "content credentials (C2PA)"
        elif name == b"":
            yield from _name_trailer(content)
        elif name not in _CARRIED_CHUNKS:
            yield f"PNG chunk {name.decode('latin-1')!r}"


def read_riff_chunks(data: bytes, end: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each WebP chunk; the name is b"" for what lies behind the container (or ``end``)."""
    place, end = 12, min(8 + int.from_bytes(data[4:8], "little"), len(data)) if end is None else end
    while place + 8 <= end:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield data[place : place + 4], data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    yield b"", data[end:]


def _webp(data: bytes) -> Iterator[str]:
    for name, content in read_riff_chunks(data):
        if name == b"XMP ":
            yield from read_xmp_parts(content)
        elif name == b"":
            yield from _name_trailer(content)
        elif name not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"):
            yield f"WebP chunk {name.decode('latin-1')!r}"


def _boxes(data: bytes) -> Iterator[str]:
    """HEIF and AVIF: the top-level boxes that do not belong to the picture."""
    place = 0
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        name = data[place + 4 : place + 8]
        if length == 1:
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        # an AVIF that moves has its frames in a film, which are cloaked or counted; elsewhere a film lies beside
        film = name == b"moov" and data[8:12] == b"avis"
        if name not in (b"ftyp", b"meta", b"mdat", b"idat", b"free", b"skip") and not film:
            yield f"video or other data beside the picture ({name.decode('latin-1')!r})"
        if length < 8:  # 0: to the end of the file
            return
        place += length


def _name_trailer(rest: bytes) -> Iterator[str]:
    if rest.strip(b"\0"):
        yield f"video or other data after the picture ({len(rest)} bytes)"
