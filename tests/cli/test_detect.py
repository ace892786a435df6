"""faceshield detect: as text, as JSON and drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from faceshield.faces.any_roll import AnyRollDetector


@pytest.fixture
def source(put, portrait, tmp_path):
    return put(tmp_path / "in/a.png", portrait)


def test_text(cli, source):
    lines = cli("detect", source).stdout.splitlines()
    assert lines[0] == f"{source}: 1 face"
    assert lines[1].startswith("  1: box ")
    assert lines[1].endswith(tuple("0123456789"))
    x, y, width, height = map(int, lines[1].split("box ")[1].split("  ")[0].split(","))
    assert x < 110 < x + width
    assert y < 118 < y + height


def test_the_printed_box_chooses_that_face(cli, source, me, report, tmp_path):
    box = cli("detect", source).stdout.split("box ")[1].split("  ")[0]
    for out, face in (("a", "1"), ("b", box)):
        cli("cloak", source, "-o", tmp_path / out, "--face", face)
    assert (tmp_path / "a/a.png").read_bytes() == (tmp_path / "b/a.png").read_bytes()


def test_json(cli, source, portrait):
    (photo,) = json.loads(cli("detect", source, "--json").stdout)
    assert (photo["photo"], photo["width"], photo["height"]) == (str(source), 224, 256)
    (face,) = photo["faces"]
    (expected,) = AnyRollDetector("cpu").detect(portrait)
    np.testing.assert_allclose(face["box"], expected.box, atol=0.06)
    np.testing.assert_allclose(face["landmarks"], expected.landmarks, atol=0.06)
    assert face["score"] == pytest.approx(expected.score, abs=1e-4)


def test_drawn(cli, source, hashes, portrait, tmp_path):
    before = hashes(source.parent)
    cli("detect", source.parent, "--draw", tmp_path / "drawn")
    with Image.open(tmp_path / "drawn/a.png") as picture:
        change = np.asarray(picture).astype(int) - portrait
    assert 0.002 < np.mean(np.any(change != 0, axis=2)) < 0.2
    assert hashes(source.parent) == before


def test_drawing_into_the_input_or_over_a_picture_is_refused(cli, put, source, portrait, hashes, tmp_path):
    put(tmp_path / "drawn/a.png", portrait)
    before = hashes(tmp_path)
    for folder in (source.parent, source.parent / "below", tmp_path / "drawn"):
        cli("detect", source.parent, "--draw", folder, code=2)
        assert hashes(tmp_path) == before


def test_no_face_ends_with_3_and_a_broken_file_with_4(cli, put, source, astronaut, tmp_path):
    empty = put(tmp_path / "in/b.png", astronaut[300:, 300:])
    result = cli("detect", source, empty, code=3)
    assert f"{empty}: 0 faces" in result.stdout
    (tmp_path / "in/c.png").write_bytes(b"no")
    result = cli("detect", tmp_path / "in", "--json", code=4)
    assert [len(photo["faces"]) for photo in json.loads(result.stdout)] == [1, 0]
    assert result.stderr.startswith("faceshield: ")
    assert len(result.stderr.splitlines()) == 1


def test_missing_file_ends_with_2(cli, tmp_path):
    assert "no such file or folder" in cli("detect", tmp_path / "nowhere.png", code=2).stderr


def test_unknown_device_ends_with_2(cli, source):
    assert "device 'gpu' is not there" in cli("detect", source, "--device", "gpu", code=2).stderr


def test_faces_of_a_group_are_numbered_largest_first(cli, shared):
    (photo,) = json.loads(cli("detect", shared / "photos/group.jpg", "--json").stdout)
    sizes = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (face["box"] for face in photo["faces"])]
    assert len(sizes) == 6
    assert sizes == sorted(sizes, reverse=True)
