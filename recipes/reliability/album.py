"""Ten thousand photos through ``cloak --fast``: memory must stay flat, and progress be seen from the first second.

    python recipes/reliability/album.py [--photos 10000] [--stub]

The photos are small, so that time goes into their number; with ``--stub`` no face is looked for, which is most of the
time of a small photo, and only the rest is under test. The command runs as it is, in a process of its own; what its
progress bar is told is noted with the memory at that time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from stored import Check, run_fresh

HERE = Path(__file__).resolve().parent
VIEWS = 50  # photos that differ; the others are links to them


def fill(folder: Path, count: int, size: tuple[int, int] = (112, 128)) -> None:
    """``count`` portraits of ``size`` pixels as JPEG."""
    folder.mkdir(parents=True)
    portrait = Image.fromarray(skimage.data.astronaut()[:256, 110:334]).resize(size, Image.Resampling.LANCZOS)
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        if number < VIEWS:
            Image.fromarray(np.roll(np.asarray(portrait), number % 25 - 12, axis=1)).save(path, quality=90)
        else:
            path.hardlink_to(folder / f"{number % VIEWS:05d}.jpg")


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--stub", action="store_true", help="faces are found by a stub, at once")
    choice = parser.parse_args()
    count, detector = choice.photos, "stub" if choice.stub else "real"
    name = "album-stub" if choice.stub else "album"
    check = Check(name, f"python recipes/reliability/album.py --photos {count}{' --stub' if choice.stub else ''}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESHIELD_HOME"] = f"{folder}/home"
        fill(Path(folder, "in"), count)
        seen = json.loads(run_fresh(HERE / "watch.py", time.time(), f"{folder}/in", f"{folder}/out", detector))
        outputs = len(list(Path(folder, "out").glob("*.jpg")))
    grown = round(seen["peak_mb"] - seen["tenth_peak_mb"], 1)
    check.store({"photos": count, "cloaked": outputs, **seen, "grown_mb": grown})


if __name__ == "__main__":
    main()
