"""Where a noise job stands, so that a killed one goes on: the order of the batches, and a checkpoint a round."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from faceshield.core.errors import StoreError
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner


class Order:
    """Index batches without end: every example once before any comes twice; the place is kept across rounds.

    Algorithm 1's Next(x, y). Without ``shuffle`` every epoch has the order that was drawn for the first one (the
    released code takes CIFAR's own, which is mixed; that of the ids would put one class after the other).
    """

    def __init__(self, count: int, batch: int, rng: Generator, *, shuffle: bool = True) -> None:
        self.count, self.batch, self.rng, self.shuffle = count, min(batch, count), rng, shuffle
        self.epoch, self.place = torch.empty(0, dtype=torch.long), 0

    def next(self) -> Tensor:
        """The next batch's indices; the last batch of an epoch may be short."""
        if self.place >= len(self.epoch):
            if self.shuffle or not len(self.epoch):
                self.epoch = torch.randperm(self.count, generator=self.rng)
            self.place = 0
        batch = self.epoch[self.place : self.place + self.batch]
        self.place += self.batch
        return batch


class Saved:
    """The checkpoint of one job on ``data`` with the settings ``what``; without a path nothing is written."""

    def __init__(
        self, path: Path | None, what: Mapping[str, Any], data: Examples, learner: Learner, rng: Generator, order: Order
    ) -> None:
        self.path, self.learner, self.rng, self.order = path, learner, rng, order
        self.digest = "" if path is None else _digest(what, data, learner)

    def write(self, delta: Tensor, errors: list[float], taken: int) -> None:
        """Write δ, θ, the optimiser's memory, the generator and the order, atomically."""
        path = self.path
        if path is None:
            return
        tensors = {f"learner.{name}": value for name, value in self.learner.state().items()}
        tensors |= {"delta": delta, "rng": self.rng.get_state(), "epoch": self.order.epoch}
        fields = {"job": self.digest, "errors": errors, "taken": taken, "place": self.order.place}
        self.learner.ranks.once(lambda: write_tensors(path, tensors, fields))

    def resume(self, delta: Tensor) -> tuple[list[float], int]:
        """Put everything back as it was, δ in place; returns the errors so far and the steps taken.

        Raises StoreError where the file belongs to another job.
        """
        if self.path is None or not self.path.is_file():
            return [], 0
        tensors, fields = read_tensors(self.path)
        if fields.get("job") != self.digest:
            raise StoreError(f"{self.path}: was left by another job (settings, seed or data differ); delete or move it")
        prefix = "learner."
        self.learner.restore({name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)})
        delta.copy_(tensors["delta"])
        self.rng.set_state(tensors["rng"])
        self.order.epoch, self.order.place = tensors["epoch"], int(fields["place"])
        return list(fields["errors"]), int(fields["taken"])


def _digest(what: Mapping[str, Any], data: Examples, learner: Learner) -> str:
    network = {name: list(value.shape) for name, value in learner.model.state_dict().items()}
    settings = {name: str(value) for name, value in what.items()}
    description = [settings, network, data.ids, data.classes, data.labels.tolist()]
    # a function among the settings prints its address, which is another one in the process that goes on
    text = re.sub(r" at 0x[0-9a-f]+", "", json.dumps(description, sort_keys=True))
    return sha256(text.encode() + data.images.cpu().contiguous().numpy().tobytes())
