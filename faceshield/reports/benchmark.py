"""What benchmarks share: jobs timed in turn, and the result file in the format of all others (``reports.results``)."""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import faceshield
from faceshield.core.results import Result
from faceshield.core.store import write_json


def read_versions(**peers: str) -> dict[str, str]:
    """Versions that every result names, and those of the ``peers`` measured beside."""
    ours = {"faceshield": faceshield.__version__, "torch": torch.__version__, "python": platform.python_version()}
    return {**ours, **peers}


def in_turn(jobs: Mapping[str, Callable[[], object]], runs: int) -> list[dict[str, float]]:
    """Seconds of each job in each of ``runs`` rounds, one after the other, after a round that is not counted."""
    rounds: list[dict[str, float]] = []
    for _ in range(runs + 1):
        rounds.append({})
        for name, job in jobs.items():
            begun = time.perf_counter()
            job()
            rounds[-1][name] = time.perf_counter() - begun
    return rounds[1:]


class Benchmark:
    """One run of a script in recipes/benchmarks/, from now until :meth:`write`."""

    def __init__(self, name: str, claim: str, command: str) -> None:
        self._about = {"recipe": f"benchmarks/{name}", "scale": "mini", "claim": claim, "command": command}
        self._started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._begun = time.monotonic()

    def write(
        self,
        path: Path,
        device: str,
        cells: Sequence[dict[str, Any]],
        expected: Sequence[dict[str, Any]],
        *,
        settings: dict[str, Any] | None = None,
        **peers: str,
    ) -> None:
        """Write ``cells`` and the bars they are held against to ``path``; ``peers`` are versions."""
        result: Result = {
            **self._about,
            "device": device,
            "started": self._started,
            "wall_s": round(time.monotonic() - self._begun, 1),
            "versions": read_versions(**peers),
            **({} if settings is None else {"settings": settings}),
            "cells": list(cells),
            "expected": list(expected),
            "plots": [],
        }
        write_json(path, result)
