"""Names that the browser gives: shown, and written into a zip or a header, but never used as a path."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import quote

LONGEST = 200  # bytes of a part in UTF-8; file systems take 255, and a number may follow
DEEPEST = 12  # folders
UNNAMED = "photo"
_FORBIDDEN = frozenset('<>:"|?*')  # in names on Windows


def clean_place(text: str) -> str:
    """``text``, a relative path as a browser gives it, as one that a zip may hold: no root, no ``..``, no controls."""
    parts = [_clean_part(part) for part in text.replace("\\", "/").split("/")]
    kept = [part for part in parts if part.strip(". ")][-DEEPEST:]
    return "/".join(kept) or UNNAMED


def clean_name(text: str) -> str:
    """The last part of :func:`clean_place`."""
    return clean_place(text).rsplit("/", 1)[-1]


def _clean_part(part: str) -> str:
    # Cc and Cf: controls, and marks that turn the order of letters, so that "gpj.exe" would read "exe.jpg"
    letters = "".join(
        "_" if letter in _FORBIDDEN else letter
        for letter in unicodedata.normalize("NFC", part)
        if unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    ).strip()
    path = PurePosixPath(letters or "_")
    stem, suffix = (path.stem, path.suffix) if len(path.suffix) <= 10 else (path.name, "")
    while len((stem + suffix).encode()) > LONGEST:
        stem = stem[:-1]
    return stem + suffix if letters else ""


def with_suffix(place: str, suffix: str) -> str:
    """``place`` with the ``suffix`` (with its dot) of what was written."""
    return str(PurePosixPath(place).with_suffix(suffix))


def make_distinct(places: Iterable[str]) -> list[str]:
    """``places`` with -2, -3 … before the suffix where one came before, letter case apart."""
    taken: set[str] = set()
    distinct = []
    for place in places:
        path, number, name = PurePosixPath(place), 1, place
        while name.casefold() in taken:
            number += 1
            name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        taken.add(name.casefold())
        distinct.append(name)
    return distinct


def build_disposition(name: str) -> str:
    """The Content-Disposition that makes a browser save a file under ``name`` (RFC 6266)."""
    plain = "".join(letter if 32 <= ord(letter) < 127 and letter not in '"\\%' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
