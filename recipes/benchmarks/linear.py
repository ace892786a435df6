"""Seconds that the two cheapest methods, PIL and LSP at their defaults, take for 10,000 pictures of 32 pixels.

    python recipes/benchmarks/linear.py [--pictures 10000] [--runs 1]

Neither knows what is in the pictures, so they are random. In turn, after a round that is not counted.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import torch
from torch import nn

from faceshield.data.examples import Examples
from faceshield.noise.lsp import LinearlySeparable
from faceshield.noise.pil import Linearization
from faceshield.reports.benchmark import Benchmark, in_turn
from faceshield.training.learner import learner
from faceshield.training.runtime import Runtime

CLAIM = "PIL and LSP make a noise for each of 10,000 pictures in under a minute each on two cores."
METHODS = {"pil": Linearization, "lsp": LinearlySeparable}


def make_up(count: int) -> Examples:
    """Random pictures of ten classes."""
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    ids = tuple(f"{number:06d}" for number in range(count))
    return Examples(images, torch.arange(count) % 10, ids, tuple(map(str, range(10))))


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/linear.mini.json"))
    choice = parser.parse_args()
    benchmark = Benchmark("linear", CLAIM, f"python recipes/benchmarks/linear.py --pictures {choice.pictures}")
    runtime, data = Runtime.best(precision="float32"), make_up(choice.pictures)
    unused = learner(nn.Linear(1, 1), runtime)
    load = round(os.getloadavg()[0], 1)
    jobs = {name: partial(method().generate, data, unused, seed=0) for name, method in METHODS.items()}
    rounds = in_turn(jobs, choice.runs)
    cells = [
        {
            "key": {"method": name, "pictures": choice.pictures},
            "seed": 0,
            "metrics": {"seconds": round(min(times[name] for times in rounds), 2), "load_before": load},
        }
        for name in METHODS
    ]
    for cell in cells:
        print(cell["key"]["method"], cell["metrics"]["seconds"])
    expected = [{"key": {"method": name}, "metric": "seconds", "at_most": 60} for name in METHODS]
    benchmark.write(choice.out, runtime.describe(), cells, expected)


if __name__ == "__main__":
    main()
