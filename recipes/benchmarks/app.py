"""How soon the page answers: seconds from a 12-MP photo's upload to its faces, and to a preview.

    python recipes/benchmarks/app.py [--out recipes/results/benchmarks/app.mini.json]

``seconds_first_cold`` is measured with the photo sent as soon as the server answers, while the networks are still being
loaded; ``seconds_first`` afterwards. Times are of this machine; medians over runs, each with bytes of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from cloak import portrait  # beside this file

from faceshield.reports.benchmark import Benchmark
from faceshield.training.runtime import Runtime


class Page:
    """What the browser's part does, without a browser."""

    def __init__(self, address: str) -> None:
        self.base, self.token = address.split("/?token=")

    def ask(self, method: str, path: str, data: bytes | None = None) -> Any:
        """Send a request; gives the answer's JSON."""
        request = urllib.request.Request(self.base + path, data, {"X-Faceshield-Token": self.token}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def time_first(self, data: bytes) -> tuple[str, float]:
        """Send a photo; its id, and the seconds until its faces are there."""
        begun = time.perf_counter()
        id = self.ask("POST", "/api/photos?name=photo.jpg", data)["id"]
        while next(photo for photo in self.ask("GET", "/api/state")["photos"] if photo["id"] == id)["state"] != "ready":
            time.sleep(0.02)
        return id, time.perf_counter() - begun

    def time_preview(self, id: str) -> float:
        """Seconds until a preview of the photo's first face, for an identity that is not made yet."""
        begun = time.perf_counter()
        asked = {"photo": id, "face": 0, "settings": {"identity": "bench"}}
        self.ask("POST", "/api/preview", json.dumps(asked).encode())
        return time.perf_counter() - begun


def measure(folder: Path, runs: int) -> dict[str, float]:
    """Seconds of a cold first photo, of later ones, of the first preview and of later ones."""
    portrait(folder / "photo.jpg")
    data = (folder / "photo.jpg").read_bytes()
    command = [sys.executable, "-m", "faceshield", "app", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        page = Page(process.stdout.readline().split(" at ")[1].strip())
        id, cold = page.time_first(data)
        first_preview = page.time_preview(id)
        # a few bytes after the picture make another file of it
        looks = [page.time_first(data + b"\0" * (run + 1))[1] for run in range(runs)]
        previews = [page.time_preview(id) for _ in range(runs)]
        page.ask("POST", "/api/quit")
    return {
        "seconds_first_cold": round(cold, 2),
        "seconds_first": round(statistics.median(looks), 2),
        "seconds_preview_first": round(first_preview, 2),
        "seconds_preview": round(statistics.median(previews), 2),
    }


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/app.mini.json"))
    choice = parser.parse_args()
    benchmark = Benchmark(
        "app",
        "The faces of a 12-MP photo are outlined within 5 seconds of its upload, and a preview takes at most 3.",
        "python recipes/benchmarks/app.py",
    )
    with tempfile.TemporaryDirectory() as name:
        os.environ["FACESHIELD_HOME"] = f"{name}/home"
        metrics = measure(Path(name), choice.runs)
    for key, value in metrics.items():
        print(f"{key:24} {value}")
    benchmark.write(
        choice.out,
        Runtime.best().describe(),
        [{"key": {"photo": "12-MP JPEG"}, "seed": 0, "metrics": metrics}],
        [
            {"key": {}, "metric": "seconds_first", "at_most": 5.0},
            {"key": {}, "metric": "seconds_preview", "at_most": 3.0},
        ],
    )
    print(choice.out)


if __name__ == "__main__":
    main()
