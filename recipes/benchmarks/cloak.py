"""Time and memory of the cloak against Pillow: a 12-MP JPEG with the noise ready, and 200 photos in a row.

    python recipes/benchmarks/cloak.py [--out recipes/results/benchmarks/cloak.mini.json]

All times are medians over rounds in which each side takes its turn; only their ratios mean anything elsewhere.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from faceshield.cloaking.album import Item
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import IdentityNoise
from faceshield.cloaking.photo import cloak_one
from faceshield.cloaking.run import cloak
from faceshield.core.store import sha256
from faceshield.imaging.photo import decode, load
from faceshield.noise import vault
from faceshield.reports.benchmark import Benchmark, in_turn
from faceshield.training.runtime import Runtime

SIZE = (4000, 3000)


def portrait(path: Path) -> None:
    """A phone-sized JPEG around scikit-image's portrait, with a sensor's grain: the face is about 600 pixels tall."""
    grain = np.random.default_rng(0).normal(0, 5, (SIZE[1], SIZE[0], 1))
    scene = Image.fromarray(skimage.data.astronaut()).resize((2400, 2400), Image.Resampling.LANCZOS)
    canvas = Image.fromarray(skimage.data.coffee()).resize(SIZE, Image.Resampling.BICUBIC)
    canvas.paste(scene, (800, 300))
    grainy = np.clip(np.asarray(canvas) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(grainy).save(path, quality=92)


def speed(folder: Path, runs: int) -> dict[str, float]:
    """Seconds for Pillow's decode + encode, for one detection, and for the whole cloak of one 12-MP JPEG.

    ``ratio_without_detection`` is (cloak − detection) ÷ Pillow, the median over rounds in which each was timed once.
    """
    photo = folder / "photo.jpg"
    portrait(photo)
    options = Options(identity="bench")
    cloak(photo, folder / "first", options)  # makes the noise
    identity, finder, item = vault.load("bench"), Finder(options), Item(photo, Path("photo.jpg"))
    rgb = load(photo).rgb8()

    def pillow() -> None:
        with Image.open(photo) as file:
            file.load()
            file.save(io.BytesIO(), "JPEG", qtables=file.quantization, subsampling="4:2:0")

    def ours() -> None:
        (folder / "again" / "photo.jpg").unlink(missing_ok=True)
        data = photo.read_bytes()
        names, noise = OutputNames(folder / "again"), IdentityNoise(identity)
        cloak_one(decode(data, photo), sha256(data), item, names, noise, finder, options)

    rounds = in_turn({"pillow": pillow, "detection": lambda: finder.find(rgb, photo), "cloak": ours}, runs)
    medians = {f"seconds_{name}": statistics.median(times[name] for times in rounds) for name in rounds[0]}
    ratio = statistics.median((times["cloak"] - times["detection"]) / times["pillow"] for times in rounds)
    return {**{name: round(value, 4) for name, value in medians.items()}, "ratio_without_detection": round(ratio, 2)}


def memory(folder: Path, count: int) -> dict[str, float]:
    """Peak resident memory of cloaking ``count`` 12-MP photos in one process, and of the first tenth of them."""
    source = folder / "many"
    source.mkdir()
    portrait(source / "0000.jpg")
    for number in range(1, count):
        (source / f"{number:04d}.jpg").hardlink_to(source / "0000.jpg")
    few = folder / "few"
    few.mkdir()
    for number in range(count // 10):
        (few / f"{number:04d}.jpg").hardlink_to(source / "0000.jpg")
    return {
        "peak_mb_tenth": _peak(few, folder / "few-out"),
        "peak_mb": _peak(source, folder / "many-out"),
        "photos": count,
    }


def _peak(source: Path, out: Path) -> float:
    """Peak resident MB of a fresh process that cloaks the folder ``source`` (Linux; ru_maxrss would count ours too)."""
    code = (
        "import re, sys; from faceshield import Options, cloak\n"
        "cloak(sys.argv[1], sys.argv[2], Options(identity='bench'))\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, source, out], check=True, capture_output=True, text=True)
    return round(float(done.stdout.split()[-1]), 1)


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/cloak.mini.json"))
    choice = parser.parse_args()
    benchmark = Benchmark(
        "cloak",
        "With the noise ready a 12-MP JPEG costs at most 1.5 × Pillow's decode + encode, plus one detection.",
        "python recipes/benchmarks/cloak.py",
    )
    with tempfile.TemporaryDirectory() as name:
        os.environ["FACESHIELD_HOME"] = f"{name}/home"
        metrics = speed(Path(name), choice.runs)
        metrics |= memory(Path(name), choice.photos)
    for key, value in metrics.items():
        print(f"{key:26} {value}")
    benchmark.write(
        choice.out,
        Runtime.best().describe(),
        [{"key": {"photo": "12-MP JPEG", "peer": "Pillow"}, "seed": 0, "metrics": metrics}],
        [{"key": {}, "metric": "ratio_without_detection", "at_most": 1.5}],
    )
    print(choice.out)


if __name__ == "__main__":
    main()
