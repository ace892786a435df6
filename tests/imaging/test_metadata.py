"""EXIF is copied entry by entry, read back by Pillow here; whatever is wrong with it does no harm."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_samples import ODD, camera_exif, saved, smooth
from PIL import Image

from faceshield.imaging import ifd, metadata


def reread(exif: bytes | None) -> Image.Exif:
    read = Image.Exif()
    read.load(exif or b"")
    return read


def values(exif: bytes | None) -> dict[str, object]:
    read = reread(exif)
    found: dict[str, object] = {f"0 {tag}": value for tag, value in read.items() if tag not in (0x8769, 0x8825)}
    for pointer in (0x8769, 0x8825):
        found |= {f"{pointer} {tag}": value for tag, value in read.get_ifd(pointer).items()}
    return found


def test_everything_but_the_maker_note_is_kept() -> None:
    before, carried = values(camera_exif(3)), metadata.carry(camera_exif(3), 3)
    before.pop(f"{0x8769} {0x927C}")
    assert values(carried.exif()) == before
    assert carried.stripped == ["maker note"]


def test_both_byte_orders_say_the_same() -> None:
    carried = metadata.carry(camera_exif(3), 3)
    start = {"<": b"MM\0*\0\0\0\x08", ">": b"II*\0\x08\0\0\0"}[carried.order]
    swapped = b"Exif\0\0" + start + ifd.write(ifd.reorder(carried.tree), 8, "<>"[carried.order == "<"])
    assert values(swapped) == values(carried.exif())
    assert metadata.read_orientation(swapped) == 3


def test_text_that_is_not_ascii_stays_as_its_bytes() -> None:
    name = "José Ærø".encode()
    entry = ifd.Entry(2, len(name) + 1, name + b"\0")
    exif = b"Exif\0\0II*\0\x08\0\0\0" + ifd.write({0x013B: entry}, 8, "<")
    assert name in (metadata.carry(exif, 1).exif() or b"")


def test_interoperability_index_is_kept() -> None:
    index = ifd.Entry(2, 4, b"R03\0")  # Adobe RGB
    exif = b"Exif\0\0II*\0\x08\0\0\0" + ifd.write({0x8769: {0xA005: {1: index}}}, 8, "<")
    assert reread(metadata.carry(exif, 1).exif()).get_ifd(0xA005)[1] == "R03"


@pytest.mark.parametrize(("tag", "stated"), [(1, 1), (6, 6), (8, 8), (0, None), (9, None), (300, None)])
def test_orientation_values(tag: int, stated: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    assert metadata.read_orientation(exif.tobytes()) == stated


@pytest.mark.parametrize("entry", [ifd.Entry(2, 2, b"6\0"), ifd.Entry(3, 2, b"\6\0\6\0"), ifd.Entry(12, 1, bytes(8))])
def test_orientation_of_another_type_is_none(entry: ifd.Entry) -> None:
    assert metadata.read_orientation(b"II*\0\x08\0\0\0" + ifd.write({0x0112: entry}, 8, "<")) is None


def test_orientation_is_added_only_where_it_is_needed() -> None:
    assert metadata.carry(None, 1).exif() is None
    assert reread(metadata.carry(None, 6).exif())[0x0112] == 6


@pytest.mark.parametrize(
    "bad",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0nonsense that goes on",
        b"Exif\0\0II*\0" + struct.pack("<I", 2**32 - 1),
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40,
        b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x010F, 2, 2**31, 8),
        b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4),  # points to itself
    ],
)
def test_damaged_exif_does_no_harm(bad: bytes) -> None:
    for policy in ("keep", "no-location", "none"):
        carried = metadata.carry(bad, 1, policy)
        assert len(reread(carried.exif())) <= 1


@given(st.binary(max_size=400), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_bytes_are_safe(junk: bytes, start: bytes) -> None:
    carried = metadata.carry(b"Exif\0\0" + start + junk, 1)
    assert len(carried.exif() or b"") < 65_000
    again = metadata.carry(carried.exif(), 1)
    assert again.exif() == carried.exif(), "what was carried once is carried whole"


def test_too_much_exif_is_cut_to_the_orientation() -> None:
    long = ifd.Entry(2, 4000, b"x" * 3999 + b"\0")
    tree: ifd.Tree = dict.fromkeys((*range(0x010E, 0x0111), 0x0131, 0x013B, 0x013C, 0x8298), long)
    tree[0x8825] = dict.fromkeys(range(32), long)
    carried = metadata.carry(b"II*\0\x08\0\0\0" + ifd.write(tree, 8, "<"), 6)
    assert list(carried.tree) == [0x0112]
    assert any("too large" in part for part in carried.stripped)
    assert carried.notices == []


def test_gps_version_alone_is_no_location() -> None:
    version = ifd.Entry(1, 4, b"\2\3\0\0")
    exif = b"II*\0\x08\0\0\0" + ifd.write({0x8825: {0: version}}, 8, "<")
    assert metadata.carry(exif, 1).notices == []


def test_real_camera_file() -> None:
    path = ODD / "exif__gps__DSCN0010.jpg"
    if not path.exists():
        pytest.skip("the shared data folder is absent")
    with Image.open(path) as picture:
        raw = picture.info["exif"]
    before, carried = values(raw), metadata.carry(raw, 1)
    after = values(carried.exif())
    lost = {key for key in before if key not in after}
    assert lost <= {f"{0x8769} {tag}" for tag in (0x927C, 0x9286, 0xA005, 0xEA1C)}
    pointer = f"{0x8769} {0xA005}"
    assert {key: value for key, value in after.items() if key != pointer and before[key] != value} == {}
    assert "EXIF thumbnail" in carried.stripped


def test_pillow_can_write_what_is_carried() -> None:
    carried = metadata.carry(camera_exif(5), 5)
    with Image.open(io.BytesIO(saved(smooth(), "JPEG", exif=carried.exif()))) as picture:
        assert picture.getexif()[0x0112] == 5


def big_tiff(order: str, tree: ifd.Tree, pointer_kind: int) -> bytes:
    """A BigTIFF of directories alone: entries of 20 bytes, offsets of 64 bits."""

    def directory(tree: ifd.Tree, start: int) -> bytes:
        table, values, place = b"", b"", start + 16 + 20 * len(tree)
        for tag, item in sorted(tree.items()):
            here = struct.pack(order + "Q", place + len(values))
            if isinstance(item, ifd.Entry):
                kind, count, value = item
                cell, values = (here, values + value) if len(value) > 8 else (value.ljust(8, b"\0"), values)
            else:
                kind, count, cell = pointer_kind, 1, here
                values += directory(item, place + len(values))
            table += struct.pack(order + "HHQ", tag, kind, count) + cell
        return struct.pack(order + "Q", len(tree)) + table + bytes(8) + values

    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, 16)
    return head + directory(tree, 16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pointer", [16, 18])
def test_a_big_tiff_says_what_a_tiff_says(order: str, pointer: int) -> None:
    number = struct.pack(order + "Q", 2**40)
    tree: ifd.Tree = {
        0x010F: ifd.Entry(2, 12, b"Some Maker.\0"),
        0x0110: ifd.Entry(2, 6, b"Model\0"),
        0x0112: ifd.Entry(3, 1, struct.pack(order + "H", 6)),
        0x0128: ifd.Entry(16, 1, number),  # no 32 bits hold it
        0x8769: {0x9003: ifd.Entry(2, 20, b"2024:01:01 10:00:00\0"), 0x927C: ifd.Entry(7, 9, b"maker not")},
        0x8825: {1: ifd.Entry(2, 2, b"N\0")},
    }
    data = big_tiff(order, tree, pointer)
    assert metadata.read_orientation(data) == 6
    carried = metadata.carry(data, 1)
    again = reread(carried.exif())
    assert (again[0x010F], again[0x0110], again[0x0112]) == ("Some Maker.", "Model", 1)
    assert 0x0128 not in again
    assert again.get_ifd(0x8769)[0x9003] == "2024:01:01 10:00:00"
    assert carried.stripped == ["maker note"]
    assert any("GPS" in notice for notice in carried.notices)


@given(
    st.binary(max_size=400),
    st.sampled_from([b"II+\0\x08\0\0\0\x10" + bytes(7), b"MM\0+\0\x08\0\0" + bytes(7) + b"\x10"]),
)
def test_any_big_tiff_is_safe(junk: bytes, start: bytes) -> None:
    for many in (b"", b"\5" + bytes(7), bytes(7) + b"\5"):
        assert len(metadata.carry(start + many + junk, 1).exif() or b"") < 65_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_file_without_a_tag_is_else_the_same(order: str, big: bool) -> None:
    tree: ifd.Tree = {0x0112: ifd.Entry(3, 1, struct.pack(order + "H", 6)), 0x0128: ifd.Entry(3, 1, b"\0\2")}
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    data = big_tiff(order, tree, 16) if big else start + ifd.write(tree, 8, order)
    changed = ifd.reset_tag(data, 0x0112)
    assert metadata.read_orientation(changed) == 1
    assert sum(a != b for a, b in zip(data, changed, strict=True)) == 1
    assert ifd.reset_tag(data, 0x0111) == data
