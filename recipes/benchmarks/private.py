"""Time of one person's private noise, our loop beside the one before it, to the same surrogates.

    python recipes/benchmarks/private.py PHOTOS [--out recipes/results/benchmarks/private.mini.json]

PHOTOS is a folder of one person's photos; the first --count with a face are used. Both loops take turns on all cores;
finding the faces is not counted. How well the noise of our loop protects is measured by faces/crops and faces/selfie.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.faces.align import align
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.pick import choose
from faceshield.imaging.photo import load
from faceshield.noise.base import Forward
from faceshield.noise.identity import (
    bound_lightness,
    choose_class,
    fit_private_delta,
    make_private_noise,
    measure_mean_loss,
)
from faceshield.noise.surrogate import SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.reports.benchmark import Benchmark, in_turn
from faceshield.training.runtime import Runtime

TRIES, STEPS, BATCH = 4, 60, 24


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/private.mini.json"))
    choice = parser.parse_args()
    benchmark = Benchmark(
        "private",
        "A private noise is made from twenty photos in at most fifteen seconds on two cores, faster than by the loop"
        " before it.",
        "python recipes/benchmarks/private.py PHOTOS",
    )
    runtime, bank = Runtime.best(), load_bank().delta
    crops = cut_faces(choice.photos, choice.count).to(runtime.device)
    forward = load_ensemble(SURROGATES, runtime.prepare, len(bank))
    loops: dict[str, Callable[[str], tuple[Tensor, int]]] = {
        "before": lambda secret: fit_after_tries(crops, len(bank), forward, secret),
        "ours": lambda secret: make_private_noise(crops, bank, forward, bound_lightness(), Transforms(), secret),
    }
    made: dict[str, list[tuple[Tensor, int]]] = {name: [] for name in loops}

    def run(name: str) -> None:
        made[name].append(loops[name](f"secret {len(made[name])}"))

    rounds = in_turn({name: partial(run, name) for name in loops}, choice.rounds)
    losses = {
        name: [
            measure_mean_loss(crops, delta, chosen, forward, Transforms(), "judged") for delta, chosen in made[name][1:]
        ]
        for name in loops
    }
    cells = [
        {
            "key": {"loop": name},
            "seed": 0,
            "metrics": {
                "seconds": round(statistics.median(times[name] for times in rounds), 2),
                "loss_mean": round(statistics.fmean(losses[name]), 3),
            },
        }
        for name in loops
    ]
    for cell in cells:
        print(cell)
    benchmark.write(
        choice.out,
        runtime.describe(),
        cells,
        [{"key": {"loop": "ours"}, "metric": "seconds", "at_most": 15.0}],
        settings={"photos": len(crops), "surrogates": list(SURROGATES), "rounds": choice.rounds},
    )
    print(choice.out)


def cut_faces(folder: Path, count: int) -> Tensor:
    """(n, 3, S, S) uint8: the largest face of each of the first ``count`` photos that have one, on the canvas."""
    detector, found = AnyRollDetector(), list[Tensor]()
    for path in sorted(folder.iterdir()):
        if len(found) == count:
            break
        rgb = load(path).rgb8()
        if faces := detector.detect(rgb):
            found.append(align(rgb, choose(faces, "largest")[0]).image.mul(255).round().byte())
    if not found:
        raise UsageError(f"{folder}: shows no face; give a folder of one person's photos")
    return torch.stack(found)


def fit_after_tries(crops: Tensor, classes: int, forward: Forward, secret: str) -> tuple[Tensor, int]:
    """The loop before ours: four classes are tried for a quarter of the steps, at twice the batch."""
    losses: dict[int, float] = {}
    options = bound_lightness(), Transforms(), secret
    for number in range(TRIES):
        tried = choose_class(f"{secret} {number}", classes)
        delta = fit_private_delta(crops, tried, forward, *options, steps=STEPS // 4, batch=BATCH)
        losses[tried] = measure_mean_loss(crops, delta, tried, forward, Transforms(), secret)
    best = min(losses, key=lambda number: losses[number])
    return fit_private_delta(crops, best, forward, *options, steps=STEPS, batch=BATCH), best


if __name__ == "__main__":
    main()
