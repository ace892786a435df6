"""Trained networks, cached under a digest of data and settings and shared by the cells of every recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from faceshield.core.cache import digest_json, load_or_make
from faceshield.core.store import read_tensors, write_tensors
from faceshield.experiments.engine.context import Context
from faceshield.experiments.paper.network import TrainedNetwork, Training, TrainingSettings, fit_network
from faceshield.models.zoo import build
from faceshield.noise.file import digest_data
from faceshield.training.history import History


def train_once(training: Training, context: Context) -> TrainedNetwork:
    """:func:`load_or_train` at :func:`find_network_path`, which every recipe shares."""
    return load_or_train(find_network_path(training, context), training, context)


def find_network_path(training: Training, context: Context) -> Path:
    """Where :func:`train_once` keeps its network."""
    settings, seed, adversary = training.settings, training.seed, training.adversary
    options = {name: getattr(settings, name) for name in TrainingSettings.model_fields if name not in _PICTURES}
    if training.epochs is not None:
        options["epochs"] = training.epochs
    parts = (training.data, training.test)
    decides = [
        options, seed, [[digest_data(part), part.sort().labels.tolist(), part.classes] for part in parts],
        None if adversary is None else asdict(adversary), str(context.runtime.dtype),
        *([] if training.against == "none" else [training.against]),
    ]  # fmt: skip
    return context.cache_path(f"network-{digest_json(decides)[:16]}.safetensors")


def load_or_train(path: Path, training: Training, context: Context) -> TrainedNetwork:
    """:func:`faceshield.experiments.paper.network.fit_network`, or what an earlier call kept at ``path``.

    Killed and called again, it goes on from a checkpoint beside ``path``, which is gone once the network is kept. The
    seconds are those of the training, whenever it was. Raises what ``fit_network`` raises.
    """
    checkpoint = path.with_suffix(".progress.safetensors")

    def load(path: Path) -> TrainedNetwork:
        tensors, history = read_tensors(path)
        network = build(training.settings.model, len(training.data.classes), width=training.settings.width)
        network.load_state_dict(tensors)
        return TrainedNetwork(context.runtime.place(network).eval(), History.read(history))

    def save(path: Path, made: TrainedNetwork) -> None:
        write_tensors(path, made.model.state_dict(), asdict(made.history))
        checkpoint.unlink(missing_ok=True)

    return load_or_make(path, load, lambda: fit_network(training, context, checkpoint), save, context.runtime.ranks)


def load_or_train_epochs(
    path: Path, training: Training, context: Context, epochs: Sequence[int]
) -> list[dict[str, Tensor]]:
    """The network's parameters and buffers at the ends of ``epochs`` of its training, from 0.

    Each is kept in a file beside ``path``. Where one is missing, the network is trained, as by :func:`load_or_train`.
    """
    files = {epoch: path.with_suffix(f".epoch{epoch}.safetensors") for epoch in epochs}
    checkpoint = path.with_suffix(".epochs.progress.safetensors")

    def keep(epoch: int, network: nn.Module) -> None:
        if epoch in files:
            context.runtime.ranks.once(lambda: write_tensors(files[epoch], network.state_dict(), {}))

    if not all(file.is_file() for file in files.values()):
        fit_network(training, context, checkpoint, keep)
        checkpoint.unlink(missing_ok=True)
    return [read_tensors(file)[0] for file in files.values()]


_PICTURES = ("data", "limit", "test_limit", "size")  # the pictures themselves are in the digest
