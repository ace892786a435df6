"""What a killed run needs to go on as if nothing had happened: one safetensors file, there whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from faceshield.core.errors import StoreError
from faceshield.core.store import read_tensors, write_tensors
from faceshield.data.examples import Examples
from faceshield.training.history import History

GENERATOR = "generator"


def state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """A flat copy of "model.NAME" (parameters and buffers) and "optimizer.PARAMETER.NAME" (such as its momentum)."""
    tensors = {f"model.{name}": value.detach().clone() for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}.{key}"] = value.detach().clone()
    return tensors


def restore(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`state` gave, in place; names of other kinds are passed over.

    Raises StoreError where the tensors are those of another network; then nothing is changed.
    """
    present = model.state_dict()
    stored = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    for name in sorted(present.keys() | stored.keys()):
        shapes = [tuple(part[name].shape) if name in part else "absent" for part in (present, stored)]
        if shapes[0] != shapes[1]:
            raise StoreError(
                f"{name} is {shapes[0]} in the model and {shapes[1]} in the stored state; take the same model"
            )
    model.load_state_dict(stored)
    optimizer.state.clear()
    for name, parameter in model.named_parameters():
        prefix = f"optimizer.{name}."
        for key, value in tensors.items():
            if key.startswith(prefix):
                like = parameter if value.shape == parameter.shape else value
                # the parameter's memory format, without which each step would be slower
                memory = torch.empty_like(like, dtype=value.dtype, device=parameter.device).copy_(value)
                optimizer.state[parameter][key.removeprefix(prefix)] = memory


@dataclass(frozen=True)
class Checkpoint:
    """A run's file (None: nothing is kept) and ``config``, the JSON values that decide the run's result."""

    path: Path | None
    config: Mapping[str, Any]

    @staticmethod
    def start(path: Path | None, settings: Mapping[str, Any], model: nn.Module, data: Examples) -> Checkpoint:
        """The checkpoint of a run that starts from ``model`` as it is now; settings are JSON values and functions."""
        if path is None:
            return Checkpoint(None, {})
        config = {name: describe(value) if callable(value) else value for name, value in settings.items()}
        content = {"data": digest([data.images, data.labels]), "initial_weights": digest(model.state_dict().values())}
        return Checkpoint(path, config | content)

    def save(self, model: nn.Module, optimizer: Optimizer, rng: Generator, history: History) -> None:
        """Replace the file by the run's present state. Raises StoreError where it cannot be written."""
        if self.path is not None:
            tensors = {**state(model, optimizer), GENERATOR: rng.get_state()}
            write_tensors(self.path, tensors, {"config": self.config, "history": asdict(history)})

    def resume(self, model: nn.Module, optimizer: Optimizer, rng: Generator) -> History:
        """Bring all three to where the file's run stood and return its history; an empty one where no file is yet.

        Raises StoreError for a file that is damaged, no checkpoint, or a run's of another configuration.
        """
        if self.path is None or not self.path.exists():
            return History()
        tensors, metadata = read_tensors(self.path)
        theirs = metadata.get("config")
        if not isinstance(theirs, dict):
            raise StoreError(f"{self.path}: is no training checkpoint; delete it or name another file")
        names = sorted(theirs.keys() | self.config.keys())
        other = [name for name in names if theirs.get(name) != self.config.get(name)]
        if other:
            was = ", ".join(f"{name} {theirs.get(name)} instead of {self.config.get(name)}" for name in other)
            raise StoreError(f"{self.path}: is of another run ({was}); delete it or name another file")
        try:
            history = History.read(metadata["history"])
            rng.set_state(tensors[GENERATOR])
            restore(model, optimizer, tensors)
        except (KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise StoreError(f"{self.path}: is no whole checkpoint ({error}); delete it or name another file") from None
        return history


def digest(tensors: Iterable[Tensor]) -> str:
    """Sixteen hexadecimal digits that differ where a shape, a type or a value does."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:16]


def describe(call: Callable[..., Any]) -> str:
    """A function or an object with settings in words that are the same in the next process (no addresses)."""
    held = [cell.cell_contents for cell in getattr(call, "__closure__", None) or ()]
    return re.sub(r" at 0x[0-9a-f]+", "", f"{call!r}{held or ''}")
