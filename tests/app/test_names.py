"""Names from the browser become harmless ones, and stay as much as they can what they were."""

from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceshield.app.names import LONGEST, build_disposition, clean_name, clean_place, make_distinct, with_suffix


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("IMG 0001.JPG", "IMG 0001.JPG"),
        ("holiday/2024/beach.jpg", "holiday/2024/beach.jpg"),
        ("Größe ñ 写真.jpg", "Größe ñ 写真.jpg"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\me\\a.jpg", "C_/Users/me/a.jpg"),
        ("a/./b/../c.jpg", "a/b/c.jpg"),
        ("new\nline\x00.jpg", "newline.jpg"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("  .. ", "photo"),
        ("", "photo"),
        ("...", "photo"),
        ("a.jpg/", "a.jpg"),
    ],
)
def test_places(given, kept):
    assert clean_place(given) == kept


@given(st.text())
def test_any_place_stays_inside(text):
    place = clean_place(text)
    parts = place.split("/")
    assert place
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in place
    assert all(len(part.encode()) <= LONGEST for part in parts)
    assert clean_place(place) == place
    assert clean_name(text) == parts[-1]


def test_a_long_name_keeps_its_suffix():
    name = clean_name("ü" * 300 + ".jpeg")
    assert name.endswith("ü.jpeg")
    assert len(name.encode()) <= LONGEST


def test_the_suffix_of_what_was_written():
    assert with_suffix("a/b.c.heic", ".jpg") == "a/b.c.jpg"
    assert with_suffix("a/b", ".png") == "a/b.png"


def test_equal_names_get_numbers():
    names = ["a.jpg", "A.JPG", "b/a.jpg", "a.jpg", "a-2.jpg"]
    made = make_distinct(names)
    assert made == ["a.jpg", "A-2.JPG", "b/a.jpg", "a-3.jpg", "a-2-2.jpg"]
    assert len({name.casefold() for name in made}) == len(names)


@given(st.text())
def test_a_header_is_read_back_by_the_standard_library(text):
    name = clean_name(text)
    header = build_disposition(name)
    assert header.isascii()
    assert "\n" not in header
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    assert unquote(header.split("filename*=UTF-8''")[1]) == name
