"""Put what faces/bank or faces/surrogates made into weights/ and enter it there: publish.py bank|surrogates.

Read is what lies below runs/faces/NAME/mini, as the recipe's result file names it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from faceshield.core.store import read_json, read_tensors, write_tensors
from faceshield.experiments.faces import bank as bank_experiment
from faceshield.experiments.faces import surrogates as surrogates_experiment
from faceshield.models.weights import register
from faceshield.noise.surrogate import BANK, MIXED, SURROGATE

WEIGHTS = Path("weights")
EXPERIMENTS = {"bank": bank_experiment.EXPERIMENT, "surrogates": surrogates_experiment.EXPERIMENT}
LICENCE = "MIT; trained on CelebA (non-commercial research use)"


def bank() -> None:
    """The surrogate and its bank of noises."""
    ((tensors, fields),) = _made("bank")
    network = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    levels = (tensors["delta"] * 255).round().to(torch.int8)
    write_tensors(WEIGHTS / f"{SURROGATE}.safetensors", _half(network), fields)
    write_tensors(WEIGHTS / f"{BANK}.safetensors", {"delta": levels}, {"epsilon": fields["epsilon"]})
    _enter(SURROGATE, "bank", "RGB (N, 3, 64–80, 64–80) float32 in [0, 1], the middle of the face canvas")
    _enter(BANK, "bank", "none: (K, 3, 128, 128) int8 levels of 255 on the face canvas")


def surrogates() -> None:
    """All mixed surrogates in one file."""
    made = _made("surrogates")
    fields = {name: made[0][1][name] for name in ("width", "classes")}
    write_tensors(WEIGHTS / f"{MIXED}.safetensors", _half(_number(made)), fields)
    _enter(MIXED, "surrogates", "RGB (N, 3, 64–80, 64–80) float32 in [0, 1], the middle of the face canvas")


def _made(recipe: str) -> list[tuple[dict[str, Tensor], dict[str, object]]]:
    cells = read_json(Path(f"recipes/results/faces/{recipe}.mini.json"))["cells"]
    folder = EXPERIMENTS[recipe].place(Path(f"runs/faces/{recipe}/mini"))
    return [read_tensors(folder / cell["metrics"]["file"]) for cell in cells]


def _number(made: list[tuple[dict[str, Tensor], dict[str, object]]]) -> dict[str, Tensor]:
    return {f"{number}.{name}": value for number, (own, _) in enumerate(made) for name, value in own.items()}


def _half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}


def _enter(name: str, recipe: str, reads: str) -> None:
    source = f"faceshield recipes run faces/{recipe} --scale mini"
    entry = register(WEIGHTS, name, f"{name}.safetensors", licence=LICENCE, source=source, input=reads)
    print(f"{name}: {entry.bytes / 1e6:.1f} MB, sha256 {entry.sha256[:16]}…")


if __name__ == "__main__":
    known = {"bank": bank, "surrogates": surrogates}
    if len(sys.argv) != 2 or sys.argv[1] not in known:
        sys.exit(f"publish.py {'|'.join(known)}")
    known[sys.argv[1]]()
