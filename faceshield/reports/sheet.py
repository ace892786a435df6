"""A contact sheet: the cloaked faces of a run beside their originals, pixel for pixel, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.core.store import CLOAKED, read_json, write_bytes
from faceshield.imaging.photo import load

PAIRS = 10
SIDE = 480  # of a larger face the middle is shown: at 100 % noise is seen as it is
COLUMNS = 2
GAP = 8

Picture = NDArray[np.uint8]


def write_sheet(folder: Path, out: Path, pairs: int = PAIRS) -> int:
    """Write up to ``pairs`` pairs of the run whose output ``folder`` is, spread evenly over it, as a PNG to ``out``.

    Returns the number of pairs. Raises UsageError for a folder without a report or without a cloaked photo, StoreError
    for a report that is no JSON, PhotoError where a photo cannot be read or is not there any more.
    """
    if not (folder / CLOAKED).is_file():
        raise UsageError(f"{folder}: holds no {CLOAKED}; give a folder that 'faceshield cloak' wrote")
    photos = [photo for photo in read_json(folder / CLOAKED)["photos"] if photo["status"] == "cloaked"]
    if not photos:
        raise UsageError(f"{folder}: no photo was cloaked in this run")
    chosen = [photos[place] for place in np.unique(np.linspace(0, len(photos) - 1, pairs).round().astype(int))]
    tiles = [_build_pair(folder, photo) for photo in chosen]
    buffer = io.BytesIO()
    Image.fromarray(_arrange(tiles)).save(buffer, "PNG")
    write_bytes(out, buffer.getvalue())
    return len(tiles)


def _build_pair(folder: Path, photo: dict[str, Any]) -> Picture:
    """The first cloaked face before and after, side by side."""
    before, after = (load(path).rgb8() for path in (Path(photo["source"]), folder / photo["output"]))
    top, left, bottom, right = photo["faces"][0]["region"]
    rows, columns = (_cut_middle(*ends) for ends in ((top, bottom), (left, right)))
    return np.concatenate([before[rows, columns], after[rows, columns]], 1)


def _cut_middle(start: int, stop: int) -> slice:
    spare = max(0, stop - start - SIDE)
    return slice(start + spare // 2, stop - (spare - spare // 2))


def _arrange(tiles: Sequence[Picture]) -> Picture:
    """White around ``tiles``, ``COLUMNS`` in a row."""
    lines = [tiles[first : first + COLUMNS] for first in range(0, len(tiles), COLUMNS)]
    heights = [max(tile.shape[0] for tile in line) + GAP for line in lines]
    widths = [max(line[place].shape[1] for line in lines if place < len(line)) + GAP for place in range(len(lines[0]))]
    sheet = np.full((sum(heights) + GAP, sum(widths) + GAP, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        for column, tile in enumerate(line):
            y, x = GAP + sum(heights[:row]), GAP + sum(widths[:column])
            sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet
