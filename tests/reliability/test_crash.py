"""Killed, interrupted, out of space, beside another run, with photos that change: a job loses nothing and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from crash import kill_at_random
from jobs import Server, Undisturbed, clear, fill, hash_files

from faceshield.cloaking.journal import JOURNAL
from faceshield.core.store import CLOAKED

PHOTOS = 8

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="jobs are forked")]


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def album(tmp_path):
    fill(tmp_path / "in", PHOTOS)
    return tmp_path


def test_killed_at_random_times(server, album):
    *_, found = kill_at_random(server, album, kills=4)
    assert found["kills"] == 4
    assert found["faults"] == []


def test_killed_before_each_of_its_file_operations(server, tmp_path):
    """Every place at which a job of two photos may be killed between two operations, one after the other."""
    fill(tmp_path / "in", 2)
    calm = Undisturbed.of(server, tmp_path, "--jobs", "1")
    number = 0
    while True:
        number += 1
        code = server.run(tmp_path, "--jobs", "1", kill_before=number)
        assert calm.find_faults(finished=code >= 0) == [], f"killed before operation {number}"
        if code >= 0:
            break
        assert server.run(tmp_path, "--jobs", "1", "--resume") == calm.exit_code
        assert calm.find_faults(finished=True) == [], f"resumed after operation {number}"
        clear(tmp_path)
    assert number > 15, "there are fewer operations than files written: the hook does not see them"


def test_a_fault_would_be_found(server, album):
    """The checks themselves: a cut-off output, another original, a journal that tells of what is not there."""
    calm = Undisturbed.of(server, album, "--jobs", "2")
    server.run(album, "--jobs", "2")
    assert calm.find_faults(finished=True) == []
    output = sorted(calm.outputs)[0]
    whole = (album / "out" / output).read_bytes()
    (album / "out" / output).write_bytes(whole[:-1])
    assert any("not what an undisturbed run writes" in fault for fault in calm.find_faults(finished=False))
    (album / "out" / output).unlink()
    assert any("missing or left over" in fault for fault in calm.find_faults(finished=True))
    (album / "out" / JOURNAL).write_text('{}\n{"status": "cloaked", "output": "x", "sha256_output": "0"}\n')
    assert any("told of in the journal" in fault for fault in calm.find_faults(finished=False))
    next(path for path in (album / "in").rglob("*") if path.is_file()).write_bytes(b"")
    assert "an original has changed" in calm.find_faults(finished=False)


@pytest.mark.parametrize("second", [0.0, 0.05, 0.3])
def test_interrupted_twice(second, server, album):
    calm = Undisturbed.of(server, album, "--jobs", "2")
    job = server.start(album, "--jobs", "2")
    job.signal(calm.seconds / 2, signal.SIGINT)
    job.signal(calm.seconds / 2 + second, signal.SIGINT)
    assert job.wait() in (130, -signal.SIGINT, calm.exit_code)
    log = (album / "log").read_text()
    assert "Traceback" not in log, log
    assert calm.find_faults(finished=False) == []
    assert server.run(album, "--jobs", "2", "--resume") == calm.exit_code
    assert calm.find_faults(finished=True) == []


def test_two_runs_into_one_folder(server, album):
    """The second one is refused in one line and has changed nothing; the first one ends as if it were alone."""
    calm = Undisturbed.of(server, album, "--jobs", "1")
    other = Server()
    try:
        for option in ((), ("--resume",)):
            first = server.start(album, "--jobs", "1")
            while not (album / "out" / JOURNAL).exists():
                first.signal(0, 0)
            assert other.run(album, "--jobs", "1", *option) == 2
            assert first.wait() == calm.exit_code
            assert calm.find_faults(finished=True) == []
            clear(album)
    finally:
        other.close()
    assert "another run" in (album / "log").read_text()


def test_photos_that_change_in_mid_job(server, album):
    """One that is gone is a failure, one that is another is cloaked as it is when it is read."""
    calm = Undisturbed.of(server, album, "--jobs", "1")
    photos = sorted(path for path in (album / "in").rglob("*") if path.is_file())
    job = server.start(album, "--jobs", "1")
    while not (album / "out" / JOURNAL).exists():
        job.signal(0, 0)
    job.signal(0, signal.SIGSTOP)
    gone, changed, other = photos[-1], photos[-2], photos[0]
    kept = gone.read_bytes()
    changed.write_bytes(other.read_bytes())
    gone.unlink()
    job.signal(0, signal.SIGCONT)
    assert job.wait() == 4
    gone.write_bytes(kept)
    assert server.run(album, "--jobs", "1", "--resume") == calm.exit_code
    outputs = hash_files(album / "out")
    outputs.pop(CLOAKED)
    again = Undisturbed.of(server, album, "--jobs", "1")
    assert outputs == again.outputs


@pytest.fixture
def small_disk(album):
    """``album``/out as a file system of its own that a test may fill and turn read-only."""
    out = album / "out"
    out.mkdir()

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(out)]
        subprocess.run(command, check=True, capture_output=True)

    try:
        mount("size=10m")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here ({error})")
    yield lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", str(out)], check=True, capture_output=True)


@pytest.mark.parametrize("kilobytes", [4, 12, 24, 40, 56])
def test_a_full_disk(kilobytes, server, album, small_disk):
    calm = Undisturbed.of(server, album, "--jobs", "1")
    small_disk(f"size={kilobytes}k")
    code = server.run(album, "--jobs", "1")
    assert code == 5, (album / "log").read_text()
    log = (album / "log").read_text()
    assert "No space left on device" in log
    assert "Traceback" not in log
    assert calm.find_faults(finished=False) == []
    small_disk("size=10m")
    assert server.run(album, "--jobs", "1", "--resume") == calm.exit_code
    assert calm.find_faults(finished=True) == []


def test_a_folder_that_turns_read_only(server, album, small_disk):
    calm = Undisturbed.of(server, album, "--jobs", "1")
    small_disk("ro")
    assert server.run(album, "--jobs", "1") == 5
    small_disk("rw")
    job = server.start(album, "--jobs", "1")
    while not (album / "out" / JOURNAL).exists():
        job.signal(0, 0)
    job.signal(0, signal.SIGSTOP)
    try:
        small_disk("ro")  # refused while a file is open for writing: then this job ends undisturbed
    except subprocess.CalledProcessError:
        job.signal(0, signal.SIGCONT)
        job.wait()
        pytest.skip("a file was open for writing at that moment")
    job.signal(0, signal.SIGCONT)
    assert job.wait() == 5
    log = (album / "log").read_text()
    assert "Read-only file system" in log
    assert "Traceback" not in log
    small_disk("rw")
    assert calm.find_faults(finished=False) == []
    assert server.run(album, "--jobs", "1", "--resume") == calm.exit_code
    assert calm.find_faults(finished=True) == []


def test_the_server_is_the_command(server, album):
    """What the forked jobs do is what the command does: it refuses a folder that is not there in the same words."""
    assert server.run(album, "--face", "nobody") == 2
    done = subprocess.run(
        [sys.executable, "-m", "faceshield", "cloak", str(album / "in"), "-o", str(album / "out"), "--face", "nobody"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip() in (album / "log").read_text()
