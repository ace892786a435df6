"""What is sent to a process of a cluster survives the way there, and gives there what it gives here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from faceshield import Options, cloak
from faceshield.core.processes import Processes


class Elsewhere:
    """A cluster of one process, this one: tasks, worker and answers go through bytes as they would on their way."""

    def map(self, make_worker, tasks, crashed, batch=2):
        worker = pickle.loads(pickle.dumps(make_worker))()
        for task in tasks:
            if task.source.name == "deadly.png":
                yield crashed(task)
            else:
                yield pickle.loads(pickle.dumps(worker(pickle.loads(pickle.dumps(task)))))


def test_a_worker_elsewhere_does_what_one_does_here(put, portrait, me, hashes, tmp_path):
    for number in range(3):
        put(tmp_path / f"in/{number}.png", np.roll(portrait, number, axis=1))
    put(tmp_path / "in/3.png", portrait[:40, :40])
    (tmp_path / "in/4.png").write_bytes(b"no picture")
    here = cloak(tmp_path / "in", tmp_path / "here", Options())
    there = cloak(tmp_path / "in", tmp_path / "there", Options(), cluster=Elsewhere())
    assert here.photos == there.photos
    assert {photo.status for photo in here.photos} == {"cloaked", "unprotected", "failed"}
    a, b = hashes(tmp_path / "here"), hashes(tmp_path / "there")
    a.pop("faceshield.json"), b.pop("faceshield.json")
    assert a == b


def test_a_photo_that_ends_its_process_is_a_failure(put, portrait, me, tmp_path):
    put(tmp_path / "in/deadly.png", portrait)
    put(tmp_path / "in/sound.png", portrait)
    report = cloak(tmp_path / "in", tmp_path / "out", Options(), cluster=Elsewhere())
    assert [photo.status for photo in report.photos] == ["failed", "cloaked"]
    assert "crashes the codec that reads it" in report.photos[0].reason
    assert not (tmp_path / "out/deadly.png").exists()


@pytest.mark.slow
def test_processes_of_this_machine_give_what_one_gives(put, portrait, me, hashes, tmp_path):
    for number in range(6):
        put(tmp_path / f"in/{number}.png", np.roll(portrait, number, axis=1))
    (tmp_path / "in/6.png").write_bytes(b"no picture")
    here = cloak(tmp_path / "in", tmp_path / "here", Options(fast=True))
    there = cloak(tmp_path / "in", tmp_path / "there", Options(fast=True), cluster=Processes(2))
    assert [photo.status for photo in here.photos] == [photo.status for photo in there.photos]
    a, b = hashes(tmp_path / "here"), hashes(tmp_path / "there")
    a.pop("faceshield.json"), b.pop("faceshield.json")
    assert a == b
