"""Pictures a second of Inception-ResNet-v1's training, augmentation included, against a bare loop on one batch.

    python recipes/benchmarks/loader.py [--size 80] [--batch 32] [--device cpu]

The bare loop does what no training can do without: forward, backward, the optimiser's step. What the other one needs
beyond that goes into fetching, augmenting and counting. Both run in turn in one process; only the ratio means anything
on another machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from faceshield.data.examples import Examples
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.reports.benchmark import Benchmark
from faceshield.training.loop import build_seeded, train
from faceshield.training.optim import sgd
from faceshield.training.parallel import descend
from faceshield.training.runtime import Runtime

PEOPLE = 32
CLAIM = "The training loop loses at most 5 % of a bare loop's pictures a second to fetching and augmenting them."


def network() -> nn.Module:
    """A fresh network, the same each time."""
    return build_seeded(lambda: InceptionResnetV1(PEOPLE), 0)


def made_up(choice: argparse.Namespace) -> Examples:
    """Random pictures, as many as ``choice.steps`` batches hold."""
    rng, count = torch.Generator().manual_seed(0), choice.batch * choice.steps
    images = torch.randint(0, 256, (count, 3, choice.size, choice.size), generator=rng, dtype=torch.uint8)
    people = tuple(f"person {number:02d}" for number in range(PEOPLE))
    return Examples(images, torch.arange(count) % PEOPLE, tuple(f"{number:06d}" for number in range(count)), people)


def training(choice: argparse.Namespace, runtime: Runtime, data: Examples) -> float:
    """Pictures a second of ``training.loop.train`` in its second epoch."""
    ends: list[float] = []
    train(network(), data, runtime, epochs=2, seed=0, batch=choice.batch,
          on_epoch=lambda epoch, loss: ends.append(time.perf_counter()))  # fmt: skip
    return len(data) / (ends[1] - ends[0])


def bare(choice: argparse.Namespace, runtime: Runtime, data: Examples) -> float:
    """Pictures a second of the same steps on the first batch, after two to warm up."""
    model = runtime.place(network()).train()
    optimizer = sgd(model, lr=0.1, nesterov=True)
    images = data.images[: choice.batch].to(runtime.device).float() / 255
    labels = data.labels[: choice.batch].to(runtime.device)

    def steps(count: int) -> float:
        """Seconds of ``count`` steps; reading the loss waits for the device."""
        begun, loss = time.perf_counter(), torch.zeros(())
        for _ in range(count):
            loss = F.cross_entropy(runtime.forward(model, images), labels)
            descend(loss, model, optimizer, runtime.ranks, None)
        float(loss.detach())
        return time.perf_counter() - begun

    steps(2)
    return len(data) / steps(choice.steps)


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/loader.mini.json"))
    choice = parser.parse_args()
    runtime, data = Runtime.best(choice.device), made_up(choice)
    settings = {name: value for name, value in vars(choice).items() if name != "out"}
    benchmark = Benchmark("loader", CLAIM, "python recipes/benchmarks/loader.py")
    rates: dict[str, list[float]] = {"bare loop": [], "training": []}
    for number in range(choice.runs):
        rates["bare loop"].append(bare(choice, runtime, data))
        rates["training"].append(training(choice, runtime, data))
        print(f"run {number + 1} of {choice.runs}: " + ", ".join(f"{k} {v[-1]:.1f}/s" for k, v in rates.items()))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    share = statistics.median(own / other for own, other in zip(rates["training"], rates["bare loop"], strict=True))
    cells = [
        {"key": {"loop": name}, "seed": 0, "metrics": {"pictures_per_s": round(value, 2)}}
        for name, value in middle.items()
    ]
    cells[1]["metrics"] = {"pictures_per_s": round(middle["training"], 2), "share_of_bare": round(share, 4)}
    bar = {"key": {"loop": "training"}, "metric": "share_of_bare", "at_least": 0.95}
    benchmark.write(choice.out, runtime.describe(), cells, [bar], settings=settings)
    print(f"training reaches {share:.1%} of the bare loop; {choice.out}")


if __name__ == "__main__":
    main()
