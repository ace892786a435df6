"""A process that has loaded everything and starts each job as a fork of itself: a job to kill then costs no start.

    python tests/reliability/server.py

It reads one JSON object a line: ``argv`` of the command line, ``env`` beside its own, ``log`` the file for the job's
output and, if the job is to kill itself, ``kill_before``, the number of its file operation before which it does. It
answers "pid N" and, when the job has ended, "exit CODE", negative for a signal. Faces are found by a stub: it is files
that are on trial.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
WRITING = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate", "os.link", "os.rmdir"}


def load() -> None:
    """Import what a job needs, and cloak one photo so that all that is loaded late is there."""
    import torch
    from mutator import originals
    from trial import stub_detector

    from faceshield.cli.main import main
    from faceshield.cloaking import open_photos

    torch.set_num_threads(1)  # a fork has no copy of the threads of its parent
    stub_detector()
    open_photos.survives = lambda path: True  # else a resumed job would start Python for each photo that was open
    with tempfile.TemporaryDirectory() as name:
        os.environ["FACESHIELD_HOME"] = f"{name}/home"
        for photo, data in originals().items():
            Path(name, photo).write_bytes(data)
        main(["cloak", name, "-o", f"{name}-out", "--fast", "--jobs", "1"], standalone_mode=False)
        main(["cloak", name, "-o", f"{name}-out", "--fast", "--jobs", "1", "--resume"], standalone_mode=False)


def kill_before(number: int) -> None:
    """Kill this process before its file operation ``number``, counted from 1: each that Python tells of and that may
    change a file.
    """
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in WRITING or (event == "open" and not _is_writing(arguments)):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _is_writing(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def run(job: dict[str, object]) -> None:
    """Run the command line in this process, a fork, and end it."""
    import torch

    from faceshield.cli.main import main

    torch.set_num_threads(1)  # makes the pool that a fork lacks, before two threads want to make it at once
    os.environ.update(job["env"])  # type: ignore[call-overload]
    log = os.open(str(job["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if job.get("kill_before"):
        kill_before(int(str(job["kill_before"])))
    main(job["argv"])  # ends by SystemExit, as the command does


def main() -> None:
    load()
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            run(job)
        print("pid", pid, flush=True)
        print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


sys.path[:0] = [str(TESTS / "fuzz"), str(TESTS / "imaging")]
if __name__ == "__main__":
    main()
