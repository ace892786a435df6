"""The exact ROC over all pairs against scikit-learn's: seconds, peak memory, and whether the values agree.

    python recipes/benchmarks/allpairs.py [--photos 10000] [--out recipes/results/benchmarks/allpairs.mini.json]

Each side runs in a fresh process on the same made-up embeddings, in turn; only the ratio means anything elsewhere.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceshield.evaluation.allpairs import all_pairs_roc
from faceshield.reports.benchmark import Benchmark
from faceshield.training.runtime import Runtime

WIDTH = 512
EACH = 10  # photos a person on each side
TARGET = 1e-4


def embeddings(photos: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Two sides of ``photos`` unit vectors each, EACH a person around the person's own direction, and who they are."""
    rng = np.random.default_rng(0)
    people = np.arange(photos) // EACH
    own = rng.normal(size=(photos // EACH + 1, WIDTH)).astype(np.float32)

    def side() -> NDArray[np.float32]:
        made = own[people] + 2.4 * rng.normal(size=(photos, WIDTH)).astype(np.float32)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)

    return side(), side(), people


def measure(peer: str, photos: int) -> dict[str, float]:
    """Seconds, peak resident MB (Linux), AUC and TAR of one side, from embeddings to figures."""
    left, right, people = embeddings(photos)
    begun = time.perf_counter()
    if peer == "scikit-learn":
        from sklearn.metrics import auc, roc_curve

        scores = (left @ right.T).ravel()
        fpr, tpr, _ = roc_curve((people[:, None] == people).ravel(), scores)
        area, tar = float(auc(fpr, tpr)), float(tpr[fpr <= TARGET].max())
    else:
        curve = all_pairs_roc(left, people, right, people)
        area, tar = curve.auc, curve.tar_at_far(TARGET).tar
    seconds = time.perf_counter() - begun
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    peak = int(found[1]) / 1024 if found else float("nan")
    return {"seconds": seconds, "peak_mb": peak, "auc": area, "tar": tar}


def fresh(peer: str, photos: int) -> dict[str, float]:
    """:func:`measure` in a process of its own: a peak of memory is never given back."""
    command = [sys.executable, __file__, "--one", peer, "--photos", str(photos)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    value: dict[str, float] = json.loads(done.stdout)
    return value


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/allpairs.mini.json"))
    choice = parser.parse_args()
    if choice.one:
        print(json.dumps(measure(choice.one, choice.photos)))
        return
    benchmark = Benchmark(
        "allpairs",
        "The exact ROC over 10⁸ pairs takes a fifth of scikit-learn's time at most, under 2 GB, for one AUC.",
        "python recipes/benchmarks/allpairs.py",
    )
    runs = [{peer: fresh(peer, choice.photos) for peer in ("ours", "scikit-learn")} for _ in range(choice.runs)]
    first = runs[0]
    ours, theirs = (statistics.median(run[peer]["seconds"] for run in runs) for peer in ("ours", "scikit-learn"))
    metrics = {
        "pairs": choice.photos**2,
        "seconds": round(ours, 3),
        "seconds_peer": round(theirs, 3),
        "ratio": round(theirs / ours, 2),
        "peak_mb": round(max(run["ours"]["peak_mb"] for run in runs), 1),
        "peak_mb_peer": round(max(run["scikit-learn"]["peak_mb"] for run in runs), 1),
        "auc": first["ours"]["auc"],
        "auc_difference": abs(first["ours"]["auc"] - first["scikit-learn"]["auc"]),
        "tar_at_far_1e-4": first["ours"]["tar"],
        "tar_difference": abs(first["ours"]["tar"] - first["scikit-learn"]["tar"]),
    }
    for key, value in metrics.items():
        print(f"{key:26} {value}")
    benchmark.write(
        choice.out,
        Runtime.best(precision="float32").describe(),
        [{"key": {"photos": choice.photos, "peer": "scikit-learn"}, "seed": 0, "metrics": metrics}],
        [
            {"key": {}, "metric": "ratio", "at_least": 5},
            {"key": {}, "metric": "peak_mb", "at_most": 2048},
            {"key": {}, "metric": "auc_difference", "at_most": 1e-9},
        ],
    )
    print(choice.out)


if __name__ == "__main__":
    main()
