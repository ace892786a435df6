"""A codec that crashes takes its photo with it and not the album: the next run reports that photo and does the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceshield.cloaking.open_photos import OPEN, OpenPhotos
from faceshield.core.errors import PhotoError
from faceshield.imaging import trial

# what every Python of the test runs first: a decoder of GIF that ends the process as a fault in C does
FAULTY = """
import os
from PIL import GifImagePlugin
GifImagePlugin.GifImageFile._open = lambda self: os.abort()
"""


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty/sitecustomize.py").write_text(FAULTY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "faulty"), *filter(None, sys.path)]))


def run(*arguments):
    command = [sys.executable, "-m", "faceshield", "cloak", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="os.abort leaves a dialogue elsewhere")
def test_a_native_crash_is_that_photos_failure(faulty, put, portrait, me, report, tmp_path):
    for name in ("a.png", "b.gif", "c.png"):
        put(tmp_path / "in" / name, portrait)
    assert run(tmp_path / "in", "-o", tmp_path / "out", "--jobs", "1").returncode < 0
    assert OpenPhotos(tmp_path / "out").suspects == {str(tmp_path / "in/b.gif")}
    again = run(tmp_path / "in", "-o", tmp_path / "out", "--jobs", "1", "--resume")
    assert again.returncode == 4, again.stderr
    photos = report(tmp_path / "out")["photos"]
    assert [photo["status"] for photo in photos] == ["cloaked", "failed", "cloaked"]
    assert "crashes the codec that reads it" in photos[1]["reason"]
    assert (tmp_path / "out" / OPEN).is_file(), "a third run must not open it either"


def test_a_photo_that_was_open_when_a_run_was_killed_is_done_like_any_other(
    cli, put, portrait, me, tmp_path, monkeypatch
):
    tried = []
    monkeypatch.setattr("faceshield.cloaking.open_photos.survives", lambda path: not tried.append(path.name))
    put(tmp_path / "in/a.png", portrait)
    put(tmp_path / "in/b.png", portrait)
    (tmp_path / "out").mkdir()
    names = [str(tmp_path / "in" / name) for name in ("a.png", "b.png")]
    lines = [[names[0], True], [names[1], True], [names[0], False]]
    (tmp_path / "out" / OPEN).write_text("\n".join(map(json.dumps, lines)) + '\n["cut o')
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out")
    assert tried == ["b.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "faceshield.json"]


def test_a_suspect_that_crashes_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("faceshield.cloaking.open_photos.survives", lambda path: False)
    (tmp_path / OPEN).write_text(json.dumps(["x.png", True]) + "\n")
    opened = OpenPhotos(tmp_path)
    with pytest.raises(PhotoError, match=r"^x\.png: crashes the codec"), opened.hold(Path("x.png")):
        raise AssertionError("it was opened")
    opened.close()
    assert OpenPhotos(tmp_path).suspects == {"x.png"}


def test_no_photo_is_open_after_an_error(tmp_path):
    opened = OpenPhotos(tmp_path)

    def stumble():
        with opened.hold(tmp_path / "x.png"):
            assert OpenPhotos(tmp_path).suspects == {str(tmp_path / "x.png")}
            raise KeyError

    with pytest.raises(KeyError):
        stumble()
    assert OpenPhotos(tmp_path).suspects == frozenset()
    opened.close()
    assert not (tmp_path / OPEN).exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="os.abort leaves a dialogue elsewhere")
def test_the_trial_tells_a_crash_from_a_refusal(faulty, put, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path / "faulty"), *sys.path])
    (tmp_path / "junk.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")
    assert trial.survives(tmp_path / "junk.png")
    assert trial.survives(put(tmp_path / "sound.png", portrait))
    assert not trial.survives(put(tmp_path / "a.gif", portrait))
