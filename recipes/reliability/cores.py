"""Photos a second on one core and on two: ``cloak --fast --engine processes`` over the same photos.

    python recipes/reliability/cores.py [--photos 300] [--rounds 3]

Each run is a command of its own, held to its cores with all its threads and children: on one core in the usual way, on
two in a process for each. In turns, each the best of its rounds, start included. ``share_two`` is how much of a second
core this machine gave while one was busy, by a loop that needs nothing but its core: 1.0 where a core is a core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from album import fill
from stored import Check

WAYS = {1: [], 2: ["--engine", "processes", "--jobs", "2"]}
LOOP = (
    "import time\nend, n = time.monotonic() + 3, 0\nwhile time.monotonic() < end: n += sum(range(1000)) > 0\nprint(n)"
)


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    choice = parser.parse_args()
    check = Check("cores", f"python recipes/reliability/cores.py --photos {choice.photos} --rounds {choice.rounds}")
    cores = sorted(os.sched_getaffinity(0))[:2]
    best = dict.fromkeys(WAYS, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESHIELD_HOME"] = f"{folder}/home"
        fill(Path(folder, "in"), choice.photos, (800, 600))
        for number in range(choice.rounds):
            for count, way in WAYS.items():
                command = ["-m", "faceshield", "cloak", f"{folder}/in", "-o", f"{folder}/{number}-{count}", "--fast"]
                begun = time.monotonic()
                _read(_start([*command, *way], cores[:count]))
                best[count] = min(best[count], time.monotonic() - begun)
    alone = _count_loops(cores[:1])
    check.store(
        {
            "photos": choice.photos,
            "one_core_s": round(best[1], 1),
            "two_cores_s": round(best[2], 1),
            "speedup": round(best[1] / best[2], 2),
            "share_two": round(_count_loops(cores) / alone - 1, 2),
        }
    )


def _start(command: Sequence[str], cores: Sequence[int]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip


def _count_loops(cores: Sequence[int]) -> int:
    running = [_start(["-c", LOOP], [core]) for core in cores]
    return sum(int(_read(process)) for process in running)


def _read(process: subprocess.Popen[str]) -> str:
    """What it prints. Raises CalledProcessError where it fails, since a failure would count as fast."""
    text, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return text


if __name__ == "__main__":
    main()
