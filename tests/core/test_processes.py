"""Processes of this machine: answers in order, errors as they are, and a crash that is one task's alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.processes import Processes


class Doubler:
    """Doubles numbers; some end the process, or raise."""

    def __init__(self):
        self.made = os.getpid()

    def __call__(self, task):
        if task == "abort":
            os.abort()
        if task == "raise":
            raise StoreError("the disk is full")
        return 2 * task, self.made


class Unmade:
    def __init__(self):
        raise UsageError("no such detector")


def test_answers_come_in_order_from_other_processes():
    answers = list(Processes(2).map(Doubler, list(range(11)), crashed=None, batch=2))
    assert [answer for answer, _ in answers] == [2 * task for task in range(11)]
    made = {pid for _, pid in answers}
    assert os.getpid() not in made
    assert 1 <= len(made) <= 2


def test_a_task_that_ends_its_process_is_told_and_the_others_are_done():
    tasks = [0, 1, "abort", 3, 4, 5, "abort"]
    answers = list(Processes(2).map(Doubler, tasks, crashed=lambda task: (task, None), batch=2))
    assert [answer for answer, _ in answers] == [0, 2, "abort", 6, 8, 10, "abort"]


@pytest.mark.parametrize(
    ("make", "error"), [(Doubler, StoreError("the disk is full")), (Unmade, UsageError("no such"))]
)
def test_what_a_worker_raises_is_raised_here(make, error):
    with pytest.raises(type(error), match=str(error)):
        list(Processes(1).map(make, ["raise"], crashed=None))


def test_no_tasks_and_no_sense():
    assert list(Processes(2).map(Doubler, [], crashed=None)) == []
    with pytest.raises(UsageError, match="-1 processes"):
        Processes(-1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_they_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from faceshield.core.processes import Processes\n"
        "class Sleeper:\n"
        "    def __call__(self, task):\n"
        f"        open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(Processes(1).map(Sleeper, [1], crashed=None))\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    try:
        child = int(_wait(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    finally:
        parent.kill()
        parent.wait()
    _wait(lambda: not _lives(child))


def _lives(pid):
    """Whether the process computes; one that has ended stays in the list until somebody asks about it."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait(true, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
