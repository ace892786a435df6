"""EXIF and ICC: what a protected photo may carry, what is left out, and which private facts it still holds.

Only tags on the lists below go into the output, so that no unknown tag can carry the clean face.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from PIL import ExifTags

from faceshield.imaging import ifd

Policy = Literal["keep", "no-location", "none"]

ORIENTATION = 0x0112
_EXIF, _GPS, _INTEROP = 0x8769, 0x8825, 0xA005

# fmt: off
_MAIN_KEPT = frozenset((
    0x010E, 0x010F, 0x0110, ORIENTATION, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C, 0x013E, 0x013F,
    0x0211, 0x0213, 0x0214, 0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
))
# the standard tags of EXIF 2.32, without the vendors' notes, sound file names, device tables and padding
_CAMERA_KEPT = frozenset((
    0x829A, 0x829D, 0x8822, 0x8824, 0x8827, *range(0x8830, 0x8836), 0x9000, 0x9003, 0x9004, *range(0x9010, 0x9013),
    0x9101, 0x9102, *range(0x9201, 0x920B), 0x9214, 0x9286, *range(0x9290, 0x9293), *range(0x9400, 0x9406),
    *range(0xA000, 0xA004), 0xA20B, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA215, 0xA217, 0xA300, 0xA301, 0xA302,
    *range(0xA401, 0xA40B), 0xA40C, 0xA420, *range(0xA430, 0xA436), 0xA460, 0xA500,
))
# fmt: on
_GPS_KEPT = frozenset(range(32))
_INTEROP_KEPT = frozenset((1, 2))  # the index says Adobe RGB in cameras that embed no profile

# pointers, padding, the colour profile, and the raster itself in a TIFF file: rebuilt, so not worth a line
_STRUCTURE = frozenset(
    (_EXIF, _GPS, _INTEROP, 0x8773, 0xEA1C, 0xEA1D, 32995, 32996, 512, *range(254, 302), *range(317, 330))
) | frozenset((*range(332, 348), *range(529, 533)))
_NAMES = {
    0x927C: "maker note",
    330: "further images (SubIFD)",
    700: "XMP packet",
    33723: "IPTC block",
    34377: "Photoshop block",
    37724: "Photoshop layers",
}
_PERSONAL = {
    0x013B: "artist",
    0x013C: "host computer",
    0x9C9D: "author",
    0xA420: "unique image number",
    0xA430: "camera owner",
    0xA431: "camera serial number",
    0xA435: "lens serial number",
}

_TEXT_KINDS = (2, 129)  # ASCII, UTF-8
_TEXT_TAGS = (0x9286, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)  # text that is typed as bytes
_LONGEST_TEXT, _LONGEST_OTHER = 4096, 256
_LONGEST_EXIF = 60_000  # a JPEG segment holds 65,533 bytes
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"WEBPVP8", b"ftyp", b"/9j/", b"iVBORw0KGgo", b"UklGR", b"GIF8")


@dataclass(frozen=True)
class ExifCopy:
    """The EXIF that goes into the output, and its part of the report.

    Attributes:
        order: its byte order, "<" or ">".
        tree: its main directory with the others nested; may be empty.
        stripped: what is left out.
        notices: private facts that stay.
    """

    order: str
    tree: ifd.Tree
    stripped: list[str]
    notices: list[str]

    def exif(self) -> bytes | None:
        """``b"Exif\\0\\0"``, a TIFF header and the directories; None where there is nothing to say."""
        if not self.tree:
            return None
        start = (b"II*\0" if self.order == "<" else b"MM\0*") + struct.pack(self.order + "I", 8)
        return b"Exif\0\0" + start + ifd.write(self.tree, 8, self.order)


def read_orientation(exif: bytes | None) -> int | None:
    """The orientation tag of raw EXIF or a TIFF file, None where it is absent, damaged or not in 1–8."""
    data = _body(exif)
    head = ifd.header(data)
    entry = ifd.read(data, head[1], head[0])[0].get(ORIENTATION) if head else None
    value = entry.number(head[0]) if head and entry else None
    return value if value is not None and 1 <= value <= 8 else None


def carry(exif: bytes | None, upright_as: int, policy: Policy = "keep") -> ExifCopy:
    """What of the raw ``exif`` (or of a whole TIFF file) goes into the output, and what does not.

    ``upright_as`` is the orientation to state: it replaces the tag, and is added where it is not 1. "no-location"
    leaves out GPS and what identifies the owner or the camera; "none" everything but the orientation.
    Never raises: EXIF that cannot be read is left behind and named.
    """
    data = _body(exif)
    head = ifd.header(data)
    if head is None:
        return ExifCopy("<", _set_orientation({}, "<", upright_as), ["EXIF that cannot be read"] if data else [], [])
    order, offset = head
    main, next_directory = ifd.read(data, offset, order)
    stripped = ["EXIF thumbnail"] if next_directory and not _is_file(main) else []
    if policy == "none":
        everything = [*stripped, "EXIF but for the orientation"]
        return ExifCopy(order, _set_orientation({}, order, upright_as), everything, [])

    camera = _child(data, main.get(_EXIF), order)
    place = _keep(_child(data, main.get(_GPS), order), _GPS_KEPT, stripped)
    interop = _keep(_child(data, camera.get(_INTEROP), order), _INTEROP_KEPT, stripped)
    main = _keep(main, _MAIN_KEPT, stripped)
    camera = _keep(camera, _CAMERA_KEPT, stripped)
    personal = {tag: name for tag, name in _PERSONAL.items() if tag in main or tag in camera}
    if policy == "no-location":
        stripped += [*(["location (GPS)"] if place else []), *personal.values()]
        for tag in personal:
            main.pop(tag, None)
            camera.pop(tag, None)
        place, personal = {}, {}

    tree = _nest(main, {_EXIF: _nest(camera, {_INTEROP: _nest(interop, {})}), _GPS: _nest(place, {})})
    carried = ExifCopy(order, _set_orientation(tree, order, upright_as), stripped, [])
    if len(carried.exif() or b"") > _LONGEST_EXIF:
        too_large = [*stripped, "EXIF too large to be genuine"]
        return ExifCopy(order, _set_orientation({}, order, upright_as), too_large, [])
    if place.keys() - {0}:  # the version alone says nothing
        carried.notices.append("still says where it was taken (GPS)")
    carried.notices.extend(f"still names the {name}" for name in personal.values())
    return carried


def check_profile(icc: bytes | None, grey: bool) -> bytes | None:
    """``icc`` cut to its declared length, or None where it is damaged or made for other colours.

    A grey picture with an RGB profile is common, and left as it is.
    """
    spaces = (b"RGB ", b"GRAY") if grey else (b"RGB ",)
    if not icc or len(icc) < 128 or icc[36:40] != b"acsp" or icc[16:20] not in spaces:
        return None
    length = int.from_bytes(icc[:4], "big")
    return icc[:length] if 128 <= length <= len(icc) else None


def _body(exif: bytes | None) -> bytes:
    data = exif or b""
    while data.startswith(b"Exif\0\0"):  # some writers put the mark twice
        data = data[6:]
    return data


def _is_file(main: ifd.Directory) -> bool:
    return 0x0111 in main or 0x0144 in main  # strips or tiles: a TIFF file, whose next directory is a page


def _child(data: bytes, pointer: ifd.Entry | None, order: str) -> ifd.Directory:
    offset = pointer.number(order) if pointer else None
    return ifd.read(data, offset, order)[0] if offset else {}


def _keep(found: ifd.Directory, allowed: frozenset[int], stripped: list[str]) -> ifd.Directory:
    kept = {}
    for tag, entry in found.items():
        if tag in allowed and _is_plain(tag, entry):
            kept[tag] = entry
        elif tag in allowed or tag not in _STRUCTURE:
            stripped.append(_NAMES.get(tag) or f"EXIF {ExifTags.TAGS.get(tag, f'tag 0x{tag:04x}')}")
    return kept


def _is_plain(tag: int, entry: ifd.Entry) -> bool:
    """Whether a value is too small to hold a picture, and contains no start of one."""
    is_text = entry.kind in _TEXT_KINDS or tag in _TEXT_TAGS
    fits = len(entry.value) <= (_LONGEST_TEXT if is_text else _LONGEST_OTHER)
    return fits and not any(start in entry.value for start in _PICTURE_STARTS)


def _nest(entries: ifd.Directory, children: dict[int, ifd.Tree]) -> ifd.Tree:
    tree: ifd.Tree = dict(entries)
    tree.update({tag: child for tag, child in children.items() if child})
    return tree


def _set_orientation(tree: ifd.Tree, order: str, upright_as: int) -> ifd.Tree:
    if ORIENTATION in tree or upright_as != 1:
        tree[ORIENTATION] = ifd.Entry(ifd.SHORT, 1, struct.pack(order + "H", upright_as))
    return tree
