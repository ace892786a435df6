"""Photos a second on one core and on two: ``cloak --fast`` over the same photos, with as many ``--jobs`` as cores.

    python recipes/reliability/cores.py [--photos 200] [--rounds 3]

In turns, each the best of its rounds: on a machine that does other work, other work is what is measured, and
``load_before`` says so.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from album import fill
from stored import Check

from faceshield import Options, cloak


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    choice = parser.parse_args()
    check = Check("cores", f"python recipes/reliability/cores.py --photos {choice.photos} --rounds {choice.rounds}")
    cores = sorted(os.sched_getaffinity(0))[:2]
    best = {1: float("inf"), 2: float("inf")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESHIELD_HOME"] = f"{folder}/home"
        fill(Path(folder, "in"), choice.photos, (224, 256))
        cloak(Path(folder, "in", "00000.jpg"), Path(folder, "first"), Options(fast=True))
        for number in range(choice.rounds):
            for count in best:
                os.sched_setaffinity(0, cores[:count])
                begun = time.monotonic()
                cloak(Path(folder, "in"), Path(folder, f"{number}-{count}"), Options(fast=True, jobs=count))
                best[count] = min(best[count], time.monotonic() - begun)
    check.store(
        {
            "photos": choice.photos,
            "one_core_s": round(best[1], 1),
            "two_cores_s": round(best[2], 1),
            "speedup": round(best[1] / best[2], 2),
        }
    )


if __name__ == "__main__":
    main()
