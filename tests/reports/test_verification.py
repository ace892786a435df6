"""The verification page: its figures are the result's, it stands alone, names are text."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.core.errors import StoreError
from faceshield.data.pairs import PairSet, sample_pairs
from faceshield.evaluation.verification import verify_pairs
from faceshield.reports.crops import GAP, join_crops
from faceshield.reports.verification import _drop_straight_points, build_rows, draw_figure, write_notes, write_report


@pytest.fixture(scope="module")
def result():
    ids = [f"p{person:02d}/{photo}" for person in range(40) for photo in range(5)]
    pairs = sample_pairs(ids, [id[:3] for id in ids], same=200, different=400, folds=10)
    scores = np.random.default_rng(0).normal(size=600) + 2 * pairs.same
    scores[5] = -np.inf
    return verify_pairs(scores, pairs, replicates=50)


def test_the_table_says_what_was_measured(result):
    table = {row.name: row for row in build_rows(result)}
    assert table["pairs (same + different)"].value == "600 (200 + 400)"
    assert table["pairs lost to detection, decided “different”"].value == "1"
    accuracy = table["accuracy, 10 folds (mean ± standard error)"]
    assert accuracy.value == f"{result.folds.mean:.2%} ± {result.folds.se:.2%}"
    assert accuracy.interval == " – ".join(f"{edge:.2%}" for edge in result.people_ci["accuracy"])
    point = result.points[0.01]
    assert table["true accept rate (1 − FNMR) at a false accept rate (FMR) of 1e-2"].value == f"{point.tar:.2%}"
    measured = table[f"false accept rate (FMR) measured there (threshold {point.threshold:.4f})"]
    assert measured.interval == " – ".join(f"{edge:.3%}" for edge in point.far_ci)
    refused = table["true accept rate (1 − FNMR) at a false accept rate (FMR) of 1e-3"]
    assert (refused.value, refused.interval) == ("–", "too few pairs")
    assert any("cannot be resolved by 400 pairs" in note for note in write_notes(result))


def test_people_in_several_folds_are_told(result):
    mixed = PairSet(result.pairs.left, result.pairs.right, result.pairs.same, result.pairs.fold[::-1] * 0)
    mixed.fold[::2] = 1
    shown = verify_pairs(result.scores, mixed, replicates=20)
    assert any("people stand in pairs of more than one fold" in note for note in write_notes(shown))
    assert not any("more than one fold" in note for note in write_notes(result))


def test_the_page_and_its_markdown(result, tmp_path):
    setting = {"pairs": "<script>alert(1)</script>", "photos": "a|b *c*"}
    page, text = write_report(result, "A & B", setting, tmp_path / "new")
    html, markdown = page.read_text(encoding="utf-8"), text.read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "<script>" not in markdown
    assert "A &amp; B" in html
    assert r"a\|b \*c\*" in markdown
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", html)
    assert "url(" not in html
    (picture,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    assert Image.open(io.BytesIO(base64.b64decode(picture))).width > 900
    for row in build_rows(result):
        assert row.value in html
        assert row.value in markdown
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(result, "A", setting, tmp_path / "file")


def test_the_same_result_is_the_same_drawing(result):
    assert draw_figure(result) == draw_figure(result)


def test_points_left_out_of_the_drawing_lie_on_it(result):
    fpr, tpr = _drop_straight_points(result.roc)
    assert len(fpr) < len(result.roc.fpr)
    area = np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1])) / 2
    assert area == pytest.approx(result.roc.auc)


def test_chips_side_by_side(pixels, tmp_path):
    red, green = torch.zeros(3, 20, 20), torch.zeros(3, 20, 20)
    red[0], green[1] = 1, 0.5
    join_crops([red, green], tmp_path / "a.png")
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (20, 40 + GAP, 3)
    assert picture[5, 5].tolist() == [255, 0, 0]
    assert picture[5, 20 + GAP // 2].tolist() == [255, 255, 255]
    assert picture[5, 25 + GAP].tolist() == [0, 128, 0]
