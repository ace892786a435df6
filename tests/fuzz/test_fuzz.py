"""Three hundred hostile files through the whole of ``cloak``: each is refused in one line or comes out sound."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mutator import WAYS, mutate, originals
from trial import MiddleDetector, try_file

from faceshield.cloaking import detect

FILES = 300


@pytest.fixture
def middle(monkeypatch):
    monkeypatch.setattr(detect, "AnyRollDetector", MiddleDetector)


def test_every_original_is_sound(middle, me, tmp_path):
    """Else the mutations would be of files that are refused as they are."""
    outcomes = {}
    for name, data in originals().items():
        (tmp_path / name).mkdir()
        outcomes[name] = try_file(name, data, tmp_path / name)
    thin = {"row.png", "column.jpg", "pixel.webp"}  # no room for a face
    assert {name for name, outcome in outcomes.items() if outcome != "cloaked"} <= thin
    assert "failed" not in outcomes.values()


@pytest.mark.parametrize("part", range(3))
def test_hostile_files_are_refused_or_come_out_sound(part, middle, me, tmp_path):
    outcomes = Counter()
    for seed in range(part, FILES, 3):
        name, done, data = mutate(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            outcomes[try_file(name, data, folder)] += 1
        except Exception as error:
            raise AssertionError(f"file {seed}, {name}: {done}") from error
    assert outcomes.total() == FILES // 3
    assert min(outcomes["cloaked"], outcomes["failed"]) > FILES // 30, "the mutations neither spare all nor break all"


def test_a_number_always_gives_the_same_file():
    first, again = ([hashlib.sha256(mutate(seed)[2]).hexdigest() for seed in range(40)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 35


def test_every_way_is_taken():
    taken = {way for seed in range(FILES) for way in mutate(seed)[1].split(" + ")}
    assert taken == set(WAYS)


def test_a_number_gives_the_same_file_in_another_process_and_second():
    code = (
        "import sys, hashlib, time; sys.path[:0] = sys.argv[1:]; time.sleep(1.1); from mutator import mutate;"
        "print(*(hashlib.sha256(mutate(seed)[2]).hexdigest() for seed in range(28)))"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "imaging")]
    done = subprocess.run([sys.executable, "-c", code, *folders], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [hashlib.sha256(mutate(seed)[2]).hexdigest() for seed in range(28)]
