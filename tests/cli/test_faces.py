"""faceshield faces align, end to end with the real detector."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from faceshield.imaging.crop import TEMPLATE_112


def test_align_keeps_the_face_and_lists_the_rest(cli, put, portrait, detector, tmp_path):
    put(tmp_path / "in/eileen/1.jpg", portrait)
    put(tmp_path / "in/nobody/1.jpg", np.full((120, 120, 3), 128, np.uint8))
    done = cli("faces", "align", tmp_path / "in", "-o", tmp_path / "out", "--size", "160", code=3)
    assert "1 of 2 photos are aligned" in done.stdout
    assert "nobody/1.jpg: no face was found" in done.stdout
    assert json.loads((tmp_path / "out/align.json").read_text())["size"] == 160
    crop = np.asarray(Image.open(tmp_path / "out/eileen/1.jpg"))
    assert crop.shape == (160, 160, 3)
    (face,) = detector.detect(np.pad(crop, ((40, 40), (40, 40), (0, 0))))
    # five points of one face do not all meet the template's, their middle does
    middle = (face.landmarks - 40).mean(0)
    np.testing.assert_allclose(middle, (TEMPLATE_112 * 160 / 112).mean(0), atol=3)


def test_align_says_so_where_a_file_is_no_picture_and_where_there_is_nothing(cli, put, portrait, tmp_path):
    put(tmp_path / "in/eileen/1.jpg", portrait)
    (tmp_path / "in/eileen/2.jpg").write_bytes(b"\xff\xd8\xff text")
    cli("faces", "align", tmp_path / "in", "-o", tmp_path / "out", code=4)
    done = cli("faces", "align", tmp_path / "absent", "-o", tmp_path / "out2", code=2)
    assert "is no folder" in done.stderr
