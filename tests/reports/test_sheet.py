"""The contact sheet: pixels of originals and outputs side by side, spread over the run; bad folders are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.reports.sheet import GAP, SIDE, write_sheet


@pytest.fixture
def run(tmp_path):
    """Three photos of 600×700 and their outputs, with regions of two sizes."""
    rng = np.random.default_rng(0)
    photos = []
    (tmp_path / "out").mkdir()
    for number, region in enumerate([[10, 20, 110, 100], [0, 0, 600, 700], [50, 60, 90, 200]]):
        before = rng.integers(0, 256, (600, 700, 3), np.uint8)
        Image.fromarray(before).save(tmp_path / f"{number}.png")
        Image.fromarray(255 - before).save(tmp_path / "out" / f"{number}.png")
        photos.append(
            {"status": "cloaked", "source": str(tmp_path / f"{number}.png"), "output": f"{number}.png",
             "faces": [{"region": region}]}
        )  # fmt: skip
    photos.insert(1, {"status": "unprotected", "source": "x", "output": None, "faces": []})
    (tmp_path / "out/faceshield.json").write_text(json.dumps({"photos": photos}))
    return tmp_path


def test_faces_lie_side_by_side_pixel_for_pixel(run):
    assert write_sheet(run / "out", run / "sheet.png") == 3
    sheet = np.asarray(Image.open(run / "sheet.png"))
    first = np.asarray(Image.open(run / "0.png"))[10:110, 20:100]
    np.testing.assert_array_equal(sheet[GAP : GAP + 100, GAP : GAP + 80], first)
    np.testing.assert_array_equal(sheet[GAP : GAP + 100, GAP + 80 : GAP + 160], 255 - first)
    second = np.asarray(Image.open(run / "1.png"))[60 : 60 + SIDE, 110 : 110 + SIDE]
    x = 2 * GAP + 280  # the third pair, below the first, is 140 wide and sets the column
    np.testing.assert_array_equal(sheet[GAP : GAP + SIDE, x : x + SIDE], second)


def test_fewer_are_spread_over_the_run(run):
    assert write_sheet(run / "out", run / "sheet.png", pairs=2) == 2
    sheet = np.asarray(Image.open(run / "sheet.png"))
    last = np.asarray(Image.open(run / "2.png"))[50:90, 60:200]
    np.testing.assert_array_equal(sheet[GAP : GAP + 40, 2 * GAP + 160 : 2 * GAP + 300], last)


def test_a_folder_without_a_run_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match=r"holds no faceshield\.json; give a folder"):
        write_sheet(tmp_path, run / "sheet.png")
    (tmp_path / "faceshield.json").write_text('{"photos": []}')
    with pytest.raises(UsageError, match="no photo was cloaked"):
        write_sheet(tmp_path, run / "sheet.png")
