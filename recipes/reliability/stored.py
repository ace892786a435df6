"""Where the checks of reliability keep their figures: one cell each of recipes/results/reliability.json.

A check that is run again replaces its own cell and leaves the others as they are.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faceshield.core.store import read_json, write_json
from faceshield.reports.benchmark import read_versions
from faceshield.training.runtime import Runtime

RESULTS = Path(__file__).resolve().parents[1] / "results/reliability.json"

BARS: dict[str, list[dict[str, Any]]] = {
    "album": [{"metric": "peak_mb", "at_most": 1500}, {"metric": "grown_mb", "at_most": 100}],
    "album-stub": [{"metric": "peak_mb", "at_most": 1500}, {"metric": "grown_mb", "at_most": 100}],
    "cores": [{"metric": "speedup", "at_least": 1.8}],
    "crash": [{"metric": "broken", "at_most": 0}, {"metric": "kills", "at_least": 100}],
    "fuzz": [{"metric": "findings", "at_most": 0}, {"metric": "peak_mb", "at_most": 1500}],
    "panorama": [{"metric": "peak_mb", "at_most": 1500}],
    **{
        f"panorama-{kind}": [{"metric": "peak_mb", "at_most": 1500}]
        for kind in ("turned", "grey", "progressive", "png")
    },
    "cluster": [{"metric": "different_files", "at_most": 0}],
}


class Check:
    """One run of a check, from now until :meth:`store`."""

    def __init__(self, name: str, command: str) -> None:
        self.name, self.command = name, command
        self._started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._begun = time.monotonic()
        self._load = os.getloadavg()[0]

    def store(self, metrics: dict[str, Any], path: Path = RESULTS) -> None:
        """Print ``metrics`` and keep them; ``load_before`` is how many processes were running when the check began."""
        cell = {
            "key": {"check": self.name},
            "seed": 0,
            "metrics": {**metrics, "load_before": round(self._load, 1)},
            "wall_s": round(time.monotonic() - self._begun, 1),
            "command": self.command,
            "started": self._started,
            "device": Runtime.best().describe(),
            "versions": read_versions(),
        }
        cells = {c["key"]["check"]: c for c in read_json(path)["cells"]} if path.is_file() else {}
        cells[self.name] = cell
        done = [cells[name] for name in sorted(cells)]
        write_json(
            path,
            {
                "recipe": "reliability",
                "scale": "mini",
                "claim": "Killed, fed broken files, given ten thousand photos, a panorama or several machines, the"
                " tool loses and changes nothing, and its memory stays within 1.5 GB.",
                "command": "; ".join(cell["command"] for cell in done),
                "device": done[0]["device"],
                "started": min(cell["started"] for cell in done),
                "wall_s": round(sum(cell["wall_s"] for cell in done), 1),
                "versions": done[0]["versions"],
                "cells": done,
                "expected": [{"key": {"check": name}, **bar} for name in sorted(cells) for bar in BARS.get(name, [])],
                "plots": [],
            },
        )
        for key, value in cell["metrics"].items():
            print(f"{self.name}.{key:24} {value}", flush=True)


def run_fresh(script: Path, *arguments: object, wrap: Sequence[str] = ()) -> str:
    """The last line that ``script`` prints in a process of its own. Raises CalledProcessError where it fails."""
    command = [*wrap, sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]
