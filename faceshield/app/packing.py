"""The cloaked photos as one zip, under the names that the originals came with."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from faceshield.app.names import make_distinct

NO_TIME = (1980, 1, 1, 0, 0, 0)  # when a photo was cloaked is nobody's business


def pack(photos: Sequence[tuple[Path, str]], out: Path) -> None:
    """Write a zip of files, each with the relative path that it has in there."""
    places = make_distinct(place for _, place in photos)
    with zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as file:  # photos are compressed already
        for (path, _), place in zip(photos, places, strict=True):
            entry = zipfile.ZipInfo(place, NO_TIME)
            entry.external_attr = 0o600 << 16
            file.writestr(entry, path.read_bytes())
