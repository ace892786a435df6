"""Put the bank and the surrogate that faces/bank made into weights/ and enter them in the registry."""

from __future__ import annotations

from pathlib import Path

import torch

from faceshield.core.store import read_json, read_tensors, write_tensors
from faceshield.models.weights import register
from faceshield.noise.surrogate import BANK, SURROGATE

WEIGHTS = Path("weights")
LICENCE = "MIT; trained on CelebA (non-commercial research use)"
SOURCE = "faceshield recipes run faces/bank --scale mini"


def main() -> None:
    """Read runs/faces/bank/mini, named by its result file, and write weights/."""
    (cell,) = read_json(Path("recipes/results/faces/bank.mini.json"))["cells"]
    tensors, fields = read_tensors(Path("runs/faces/bank/mini") / cell["metrics"]["file"])
    network = {
        name.removeprefix("model."): value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith("model.")
    }
    levels = (tensors["delta"] * 255).round().to(torch.int8)
    write_tensors(WEIGHTS / f"{SURROGATE}.safetensors", network, fields)
    write_tensors(WEIGHTS / f"{BANK}.safetensors", {"delta": levels}, {"epsilon": fields["epsilon"]})
    for name, reads in (
        (SURROGATE, "RGB (N, 3, 64–112, 64–112) float32 in [0, 1], the middle of the face canvas"),
        (BANK, "none: (K, 3, 128, 128) int8 levels of 255 on the face canvas"),
    ):
        entry = register(WEIGHTS, name, f"{name}.safetensors", licence=LICENCE, source=SOURCE, input=reads)
        print(f"{name}: {entry.bytes / 1e6:.1f} MB, sha256 {entry.sha256[:16]}…")


if __name__ == "__main__":
    main()
