"""faceshield show: the page and its figures."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

MARK = "data:image/png;base64,"


@pytest.fixture
def pair(cli, me, put, portrait, tmp_path):
    """(original, cloaked) as files."""
    source = put(tmp_path / "a.png", portrait)
    cli("cloak", source, "-o", tmp_path / "out")
    return source, tmp_path / "out/a.png"


def pictures(page):
    found = re.findall(re.escape(MARK) + r"([A-Za-z0-9+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int) for text in found]


def test_the_page_shows_before_after_and_the_difference(cli, pair, pixels, report, tmp_path):
    result = cli("show", *pair, "-o", tmp_path / "page.html")
    assert str(tmp_path / "page.html") in result.stdout
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    before, after = map(pixels, pair)
    whole = pictures(page)
    np.testing.assert_array_equal(whole[0], before)
    np.testing.assert_array_equal(whole[1], after)
    np.testing.assert_array_equal(whole[2], np.clip(128 + 16 * (after - before), 0, 255))
    assert len(whole) == 6, "three of the photo, three of the one changed area"
    assert page.count('alt="original"') == page.count('alt="cloaked"') == page.count('alt="difference"') == 2
    (_, x0, _, x1) = report(tmp_path / "out")["photos"][0]["faces"][0]["region"]
    assert whole[3].shape[1] == pytest.approx(round(320 / (x1 - x0)) * (x1 - x0), rel=0.1)


def test_the_figures_are_those_of_the_files(cli, pair, pixels, report, tmp_path):
    cli("show", *pair, "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    before, after = map(pixels, pair)
    rows, columns = np.nonzero(np.abs(after - before).max(2))
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert "8 / 255" in page
    psnr = float(re.search(r"([\d.]+) dB", page).group(1))
    assert psnr == pytest.approx(peak_signal_noise_ratio(before[box], after[box], data_range=255), abs=1)
    ssim = float(re.search(r"SSIM</th><td>([\d.]+)", page).group(1))
    assert 0.85 < ssim < 1
    shown = dict(re.findall(r"<th>([a-z ]+)[^<]*</th><td>([\d.]+)", page))
    difference = deltaE_ciede2000(*(rgb2lab(picture[box].astype(np.uint8)) for picture in (before, after)))
    difference = difference[(before != after)[box].any(-1)]
    assert float(shown["colour difference "]) == pytest.approx(difference.mean(), rel=0.1)
    (face,) = report(tmp_path / "out")["photos"][0]["faces"]
    assert float(shown["tint"]) == pytest.approx(face["tint_mean"], rel=0.15), "of a face size that is estimated"
    assert float(shown["contrast"]) == pytest.approx(face["contrast_p95"], rel=0.3)


def test_the_page_is_on_its_own(cli, pair, tmp_path):
    cli("show", *pair, "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", page)
    assert "@import" not in page
    assert "url(" not in page


def test_names_are_text_and_not_markup(cli, pair, tmp_path):
    odd = tmp_path / "<script>alert(1)<&.png"
    pair[0].rename(odd)
    cli("show", odd, pair[1], "-o", tmp_path / "page.html")
    assert "<script>" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_equal_pictures_show_no_changed_area(cli, pair, tmp_path):
    cli("show", pair[0], pair[0], "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No area changed" in page
    assert len(pictures(page)) == 3


def test_refusals(cli, put, pair, portrait, tmp_path):
    cli("show", *pair, "-o", tmp_path / "page.html")
    assert "exists already" in cli("show", *pair, "-o", tmp_path / "page.html", code=2).stderr
    assert "name it page.html" in cli("show", *pair, "-o", tmp_path / "page.pdf", code=2).stderr
    other = put(tmp_path / "b.png", portrait[:100])
    refused = cli("show", pair[0], other, "-o", tmp_path / "b.html", code=2)
    assert "their sizes are 224×256 and 224×100" in refused.stderr
    assert "no such file" in cli("show", pair[0], tmp_path / "nowhere.png", "-o", tmp_path / "b.html", code=4).stderr
    assert not (tmp_path / "b.html").exists()
    blocked = pair[0] / "page.html"
    assert "cannot be written" in cli("show", *pair, "-o", blocked, code=5).stderr


def test_a_run_becomes_a_contact_sheet(cli, pair, tmp_path):
    result = cli("show", tmp_path / "out", "-o", tmp_path / "sheet.png")
    assert "pairs of before and after: 1" in result.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_an_original_alone_is_no_pair(cli, pair, tmp_path):
    result = cli("show", pair[0], "-o", tmp_path / "page.html", code=2)
    assert "give its cloak too" in result.stderr
