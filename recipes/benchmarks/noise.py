"""Time of sample-wise error-minimizing noise to one stop error: foolbox, a plain loop, and ours step by step.

    python recipes/benchmarks/noise.py DATA [--limit 100] [--width 16] [--epochs 40] [--seeds 0 1 2]

All arms share the outer loop (Algorithm 1), the data, the network and the seed; they differ in the inner minimisation
and in how the network is run. Those compared run until λ = 0.01, and their noise is then trained on, so that no time is
won by protecting less. How many rounds that takes is chance in part (rounding alone moves it by several), so the ladder
of our steps is timed over a fixed number of rounds. Only ratios mean anything on another machine. DATA is whatever
faceshield.data.sources.open_data reads.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import foolbox
import torch
from torch import Tensor, nn

from faceshield.core.budget import Budget
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.sources import open_data
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.engine.context import Context
from faceshield.experiments.paper.network import Training, TrainingSettings, fit_network
from faceshield.models.frozen import freeze
from faceshield.models.zoo import build
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.presets import find_preset
from faceshield.noise.sweep import Losses
from faceshield.reports.benchmark import Benchmark
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded
from faceshield.training.runtime import Runtime, has_bf16

STEPS = 20  # the paper's T
ENOUGH = 0.001  # the loss at which an example takes no more steps; the noise then protects less, so ours has none
Metrics = dict[str, Any]
Cell = dict[str, Any]
NAMES = {"foolbox": "foolbox", "plain": "plain loop", "ours": "ours, the paper's T and α", "fast": "ours, fast"}


@dataclass(frozen=True)
class Foolbox:
    """LinfPGD towards the label, warm-started from the last pass's δ as Algorithm 1 asks."""

    network: nn.Module
    name: str = "foolbox"

    def __call__(
        self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, budget: Budget, *, batch: int
    ) -> int:
        class Warm(foolbox.attacks.LinfPGD):  # type: ignore[misc]
            start: Any = None

            def get_random_start(self, x0: Any, epsilon: float) -> Any:
                return x0 + self.start

        attack = Warm(steps=STEPS, abs_stepsize=budget.epsilon / 10, random_start=True)
        with freeze(self.network):
            model = foolbox.PyTorchModel(self.network, bounds=(0, 1), device=images.device)
            for index in torch.arange(len(images)).split(batch):
                x = images[index].float() / 255
                attack.start = foolbox.criteria.ep.astensor(delta[index])
                towards = foolbox.criteria.TargetedMisclassification(labels[index])
                delta[index] = attack.run(model, x, towards, epsilon=budget.epsilon) - x
        return STEPS * len(images)


@dataclass(frozen=True)
class Plain:
    """As Algorithm 1 reads and the released code runs: noise kept picture by picture, an optimiser object a step."""

    name: str = "plain"

    def __call__(
        self, images: Tensor, labels: Tensor, delta: Tensor, losses: Losses, budget: Budget, *, batch: int
    ) -> int:
        kept = [delta_k.clone().numpy() for delta_k in delta]
        alpha, epsilon = budget.epsilon / 10, budget.epsilon
        for index in torch.arange(len(images)).split(batch):
            x = images[index].float() / 255
            noisy = x.clone()
            for row, i in enumerate(index.tolist()):
                noisy[row] += torch.from_numpy(kept[i])
            for _ in range(STEPS):
                noisy = noisy.clamp(0, 1).detach().requires_grad_(True)
                optimizer = torch.optim.SGD([noisy], lr=1e-3)
                optimizer.zero_grad()
                losses(noisy, labels[index]).mean().backward()
                assert noisy.grad is not None
                delta_k = (noisy.detach() - alpha * noisy.grad.sign() - x).clamp(-epsilon, epsilon)
                noisy = (x + delta_k).clamp(0, 1)
            for row, i in enumerate(index.tolist()):
                kept[i] = (noisy[row] - x[row]).clone().detach().cpu().numpy()
        for i, own_kept in enumerate(kept):
            delta[i] = torch.from_numpy(own_kept)
        return STEPS * len(images)


@dataclass(frozen=True)
class Arm:
    """How the network is run, and the settings of ErrorMin; ``solver`` replaces our steps.

    ``fold``: whether batch norms are folded into convolutions while θ stays, as ``Runtime.freeze`` does.
    """

    runtime: Runtime
    settings: dict[str, Any] = field(default_factory=dict)
    solver: Callable[[nn.Module], Any] | None = None
    fold: bool = False


def arms(device: torch.device) -> dict[str, Arm]:
    """The peers, ours, and the ladder between: each step alone, and all together one after the other."""
    best = torch.bfloat16 if has_bf16(device) else torch.float32
    rows, last = torch.contiguous_format, torch.channels_last
    plain = Runtime(device, torch.float32, rows)
    fast = find_preset("fast", "error-min", "sample", Budget().epsilon)
    return {
        "foolbox": Arm(plain, solver=Foolbox),
        "plain": Arm(plain, solver=lambda network: Plain()),
        "batched": Arm(plain),
        "folding alone": Arm(plain, fold=True),
        "channels-last alone": Arm(Runtime(device, torch.float32, last)),
        "precision alone": Arm(Runtime(device, best, rows)),
        "screening alone": Arm(plain, {"enough": ENOUGH}),
        "fewer, larger steps alone": Arm(plain, fast),
        "+ channels-last, precision": Arm(Runtime(device, best, last)),
        "ours": Arm(Runtime(device, best, last), fold=True),
        "fast": Arm(Runtime(device, best, last), fast, fold=True),
    }


def generate(
    arm: Arm, data: Examples, choice: argparse.Namespace, seed: int, *, rounds: int, stop_error: float
) -> tuple[Noise, float]:
    """The arm's noise for ``data`` and the seconds it took."""
    network = build_seeded(lambda: build("resnet18", len(data.classes), width=choice.width), seed + 1000)
    solver = None if arm.solver is None else arm.solver(network)
    method = ErrorMin.sample_wise(
        stop_error=stop_error, rounds=rounds, batch=choice.batch, solver=solver, **arm.settings
    )
    fit = learner(network, arm.runtime, lr=choice.lr)
    if not arm.fold:
        fit = replace(fit, frozen=lambda: partial(arm.runtime.forward, deepcopy(network).eval().requires_grad_(False)))
    begun = time.perf_counter()
    noise = method.generate(data, fit, seed=seed)
    return noise, time.perf_counter() - begun


def measure_noise(
    arm: Arm, data: Examples, choice: argparse.Namespace, seed: int, **until: Any
) -> tuple[Noise, Metrics]:
    """The arm's noise and what it cost, after a round on a few pictures that is not counted.

    Kernels are chosen and compiled at first use, for which no arm should pay.
    """
    few = data.limit(max(1, choice.batch // len(data.classes)))
    generate(arm, few, choice, seed, rounds=1, stop_error=0)
    noise, seconds = generate(arm, data, choice, seed, **until)
    provenance = noise.provenance
    return noise, {
        "seconds": round(seconds, 2),
        "rounds": len(provenance["errors"]),
        "seconds_per_round": round(seconds / len(provenance["errors"]), 3),
        "error_final": provenance["errors"][-1],
        "steps_taken": provenance["steps_taken"],
    }


def ladder(data: Examples, choice: argparse.Namespace, device: torch.device, seed: int) -> list[Cell]:
    """Every arm over the same number of rounds; ``ratio`` is the plain loop's time ÷ its own."""
    cells = []
    for name, arm in arms(device).items():
        _, metrics = measure_noise(arm, data, choice, seed, rounds=choice.ladder_rounds, stop_error=-1)
        cells.append(cell(f"{NAMES.get(name, name)}, {choice.ladder_rounds} rounds", seed, metrics))
    return compare(cells)


def until_done(data: Examples, test: Examples, choice: argparse.Namespace, runtime: Runtime, seed: int) -> list[Cell]:
    """The peers and ours until the stop error, and the accuracy of a network that is trained on each noise."""
    settings = TrainingSettings(
        data=str(choice.data), width=choice.width, epochs=choice.epochs, lr=0.1, batch=choice.batch
    )
    context = Context(Path(), Path(), runtime, lambda line: None)
    cells = []
    for name in NAMES:
        arm = arms(runtime.device)[name]
        noise, metrics = measure_noise(arm, data, choice, seed, rounds=choice.rounds, stop_error=choice.stop_error)
        history = fit_network(Training(unlearnable(data, noise), test, settings, seed), context).history
        metrics |= {
            "test_accuracy_final": history.test_accuracy_final,
            "test_accuracy_peak": history.test_accuracy_peak,
        }
        cells.append(cell(NAMES[name], seed, metrics))
    clean = fit_network(Training(data, test, settings, seed), context).history
    return [*compare(cells), cell("none (clean data)", seed, {"test_accuracy_final": clean.test_accuracy_final})]


def cell(loop: str, seed: int, metrics: Metrics) -> Cell:
    """One arm's cell of the result file, told at once."""
    print(f"{loop}, seed {seed}: {metrics}", flush=True)
    return {"key": {"loop": loop}, "seed": seed, "metrics": metrics, "wall_s": metrics.get("seconds", 0.0)}


def compare(cells: list[Cell]) -> list[Cell]:
    """``cells`` with their ratios to the second one, the plain loop, and to the first one, foolbox."""
    for one in cells:
        for name, peer in (("ratio", cells[1]), ("ratio_foolbox", cells[0])):
            one["metrics"][name] = round(peer["metrics"]["seconds"] / one["metrics"]["seconds"], 2)
    return cells


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=100, help="training pictures a class")
    parser.add_argument("--test-limit", type=int, default=200)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1, help="of the surrogate")
    parser.add_argument("--rounds", type=int, default=30, help="at most")
    parser.add_argument("--ladder-rounds", type=int, default=6, help="of each arm of the ladder; 0 leaves it out")
    parser.add_argument("--stop-error", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=40, help="of the training that measures the protection")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/noise.mini.json"))
    choice = parser.parse_args()
    warnings.filterwarnings("ignore", module="foolbox")
    runtime = Runtime.best(choice.device, threads=choice.threads)
    benchmark = Benchmark(
        "noise",
        "Sample-wise noise to one stop error in a third of a plain loop's time at the paper's T and α, in a fifth with"
        " the fast setting, and it protects as well.",
        "python recipes/benchmarks/noise.py DATA",
    )
    data = open_data(choice.data, "train", limit=choice.limit).sort()
    test = open_data(choice.data, "test", limit=choice.test_limit)
    cells = [one for seed in choice.seeds for one in until_done(data, test, choice, runtime, seed)]
    if choice.ladder_rounds:
        cells += ladder(data, choice, runtime.device, choice.seeds[0])
    for one in cells:
        metrics = one["metrics"]
        if "ratio" in metrics:
            print(
                f"{one['key']['loop']:38} seed {one['seed']}  {metrics['seconds']:8.1f} s  {metrics['rounds']:3} rounds"
                f"  ×{metrics['ratio']:5.2f} the plain loop  ×{metrics['ratio_foolbox']:5.2f} foolbox"
            )
    ours, fast, plain = ({"loop": NAMES[name]} for name in ("ours", "fast", "plain"))
    near = {"key": plain, "metric": "test_accuracy_final"}
    benchmark.write(
        choice.out,
        runtime.describe(),
        cells,
        [
            {"key": ours, "metric": "ratio", "at_least": 3},
            {"key": fast, "metric": "ratio", "at_least": 5},
            {"key": ours, "metric": "test_accuracy_final", "within": 0.02, "near": near},
            {"key": fast, "metric": "test_accuracy_final", "within": 0.02, "near": near},
        ],
        settings={
            name: value for name, value in vars(choice).items() if name not in ("data", "out", "device", "threads")
        },
        foolbox=foolbox.__version__,
    )
    print(choice.out)


if __name__ == "__main__":
    main()
