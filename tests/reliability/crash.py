"""``make crash``: kill -9 at random times of a job, resume it, and compare with a run that nobody disturbs.

    python tests/reliability/crash.py --kills 100 --photos 50 -o build/crash.json

Each kill is followed by checks of what lies there, by ``--resume``, and by the checks of a finished job: no partial
file under a final name, every output and the report as in the undisturbed run, the journal valid, the originals
unchanged. Every fifth resumed run is killed as well, and resumed once more. Jobs are forks of one process
(``server.py``) that find faces by a stub and do not try suspected photos in a process of their own, so that a job is
quick and a kill falls among its files. Not covered: the start of Python, the networks' work, and the loss of power,
after which a disk may have lost what the system had not yet written. ``tests/cloaking/test_resume.py`` kills the
command as it is.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from faceshield.cloaking.journal import JOURNAL
from faceshield.core.store import write_json

HERE = Path(__file__).resolve().parent
JOBS = ("1", "2", "4")


def kill_at_random(server: Any, folder: Path, kills: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Kill jobs over ``folder``/in ``kills`` times; yields after each what has come of all of them."""
    from jobs import Undisturbed, clear

    rng = random.Random(seed)
    calm = Undisturbed.of(server, folder, "--jobs", "2")
    fastest = min(calm.seconds, Undisturbed.of(server, folder, "--jobs", "1").seconds)
    faults: list[str] = []
    finished: list[int] = []  # photos that were done at each kill
    too_late = 0
    for delay in _draw_delays(rng, fastest):
        if len(finished) == kills:
            break
        jobs = ("--jobs", rng.choice(JOBS))
        job = server.start(folder, *jobs)
        job.signal(delay)
        if job.wait() >= 0:
            too_late += 1
            clear(folder)
            continue
        number, where = len(finished), f"kill {len(finished)}, after {delay:.3f} s: "
        finished.append(_count_finished(folder / "out"))
        faults += [where + fault for fault in calm.find_faults(finished=False)]
        if number % 5 == 0:
            again = server.start(folder, *jobs, "--resume")
            again.signal(rng.uniform(0, fastest))
            again.wait()
            faults += [where + "again: " + fault for fault in calm.find_faults(finished=False)]
        code = server.run(folder, *jobs, "--resume")
        if code != calm.exit_code:
            faults.append(f"{where}the resumed run ended with {code}")
        faults += [where + "resumed: " + fault for fault in calm.find_faults(finished=True)]
        clear(folder)
        yield {
            "kills": len(finished),
            "photos": len(calm.originals),
            "too_late": too_late,
            "photos_done_least": min(finished),
            "photos_done_median": median(finished),
            "photos_done_most": max(finished),
            "broken": len({fault.split(":")[0] for fault in faults}),
            "faults": faults,
        }


def _draw_delays(rng: random.Random, longest: float) -> Iterator[float]:
    while True:
        yield rng.uniform(0, longest)


def _count_finished(out: Path) -> int:
    journal = out / JOURNAL
    return max(0, len(journal.read_text(encoding="utf-8").splitlines()) - 1) if journal.is_file() else 0


def main() -> None:
    from jobs import Server, fill

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--photos", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/crash.json"))
    choice = parser.parse_args()
    folder, server = Path(tempfile.mkdtemp()), Server()
    try:
        fill(folder / "in", choice.photos)
        for found in kill_at_random(server, folder, choice.kills, choice.seed):
            write_json(choice.out, found)
    finally:
        server.close()
        shutil.rmtree(folder)
    for fault in found["faults"]:
        print(fault)
    print({key: value for key, value in found.items() if key != "faults"}, "→", choice.out)
    sys.exit(bool(found["faults"]))


sys.path[:0] = [str(HERE), str(HERE.parent / "fuzz"), str(HERE.parent / "imaging")]
if __name__ == "__main__":
    main()
