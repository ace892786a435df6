"""Jobs that are started, killed and resumed, and what must hold of their folders at any time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceshield.cloaking.journal import JOURNAL
from faceshield.cloaking.open_photos import OPEN
from faceshield.core.store import CLOAKED, is_temporary

HERE = Path(__file__).resolve().parent
Hashes = dict[str, str]


def hash_files(folder: Path) -> Hashes:
    """SHA-256 of every file below ``folder`` by its name there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fill(folder: Path, count: int) -> None:
    """``count`` photos of 96×128 pixels and less in two folders: of every format, those that are slow to write once."""
    from mutator import originals

    made = list(originals().items())
    quick = [item for item in made if not item[0].startswith("moving") and not item[0].endswith((".avif", ".heic"))]
    for number in range(count):
        name, data = made[number] if number < len(made) else quick[number % len(quick)]
        path = folder / f"part{number % 2}/{number:03d}-{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Server:
    """``server.py``, which forks jobs."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FACESHIELD_SECRET": "5ec7e7" * 5}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        while self._hear() != ["ready"]:
            pass

    def _hear(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server of jobs has died"
        return line.split()

    def start(self, folder: Path, *options: str, kill_before: int = 0) -> Job:
        """Begin to cloak ``folder``/in into ``folder``/out with the vault ``folder``/home."""
        argv = ["cloak", str(folder / "in"), "-o", str(folder / "out"), "--fast", *options]
        job = {"argv": argv, "env": {"FACESHIELD_HOME": str(folder / "home")}, "log": str(folder / "log")}
        assert self._process.stdin is not None
        print(json.dumps({**job, "kill_before": kill_before}), file=self._process.stdin, flush=True)
        return Job(self, int(self._hear()[1]), time.monotonic())

    def run(self, folder: Path, *options: str, kill_before: int = 0) -> int:
        """The exit code of a job that is left alone."""
        return self.start(folder, *options, kill_before=kill_before).wait()

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


@dataclass
class Job:
    """A job that runs."""

    server: Server
    pid: int
    begun: float

    def signal(self, after: float, number: int = signal.SIGKILL) -> None:
        """Send it a signal ``after`` seconds from its begin; nothing happens where it has ended."""
        time.sleep(max(0.0, self.begun + after - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, negative for a signal."""
        return int(self.server._hear()[1])


@dataclass
class Undisturbed:
    """What a job that nobody disturbs leaves.

    Attributes:
        originals: hashes of the photos.
        outputs: hashes of the files below out but for the report.
        report: what the report says, but for times.
    """

    originals: Hashes
    outputs: Hashes
    report: dict[str, Any]
    exit_code: int
    seconds: float = 0.0
    folder: Path = field(default_factory=Path)

    @staticmethod
    def of(server: Server, folder: Path, *options: str) -> Undisturbed:
        """Run one over ``folder``/in; out and home are removed again."""
        originals, begun = hash_files(folder / "in"), time.monotonic()
        code = server.run(folder, *options)
        seconds = time.monotonic() - begun
        outputs = hash_files(folder / "out")
        report = read_report(folder / "out")
        outputs.pop(CLOAKED)
        clear(folder)
        return Undisturbed(originals, outputs, report, code, seconds, folder)

    def find_faults(self, finished: bool) -> list[str]:
        """What does not hold of the folder, in words: of one whose job was ``finished``, or of any at any time."""
        out, faults = self.folder / "out", []
        if hash_files(self.folder / "in") != self.originals:
            faults.append("an original has changed")
        there = hash_files(out) if out.is_dir() else {}
        pictures = {
            name: value
            for name, value in there.items()
            if name not in (CLOAKED, JOURNAL, OPEN) and not is_temporary(Path(name))
        }
        for name, value in pictures.items():
            if self.outputs.get(name) != value:
                faults.append(f"{name}: is not what an undisturbed run writes")
        for line in _read_journal(out / JOURNAL, faults):
            if line["status"] == "cloaked" and there.get(line["output"]) != line["sha256_output"]:
                faults.append(f"{line['output']}: is told of in the journal and not there")
        if CLOAKED in there and read_report(out) != self.report:
            faults.append("the report is another one")
        if finished:
            if set(there) != {*self.outputs, CLOAKED}:
                faults.append(f"missing or left over: {sorted(set(there) ^ {*self.outputs, CLOAKED})}")
            if list((self.folder / "home").rglob("*.part")):
                left = [str(path) for path in (self.folder / "home").rglob("*.part")]
                faults.append(f"a half-written file is left in the vault: {left}")
        return faults


def read_report(out: Path) -> dict[str, Any]:
    """The report without the times at which the run and the identity were made."""
    report: dict[str, Any] = json.loads((out / CLOAKED).read_text(encoding="utf-8"))
    identity = {key: value for key, value in (report["identity"] or {}).items() if key != "created"}
    return {**report, "started": None, "identity": identity}


def _read_journal(path: Path, faults: list[str]) -> list[dict[str, Any]]:
    """The photos that a journal tells of; all its lines but the last must be whole."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = []
    for number, text in enumerate(lines):
        try:
            found.append(json.loads(text))
        except ValueError:
            if number != len(lines) - 1:
                faults.append(f"line {number + 1} of the journal is broken")
    return found[1:]


def clear(folder: Path) -> None:
    """Remove what jobs have made in ``folder``."""
    for name in ("out", "home"):
        shutil.rmtree(folder / name, ignore_errors=True)
