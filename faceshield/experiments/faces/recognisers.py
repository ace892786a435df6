"""The small recognisers that ship in weights/: ResNet-18 on CelebA-100, each for crops of its own size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from faceshield.data.canvas import crop_canvas
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment
from faceshield.experiments.faces.bank import NetworkSettings, read_source, write_made
from faceshield.models.recognisers import build_recogniser
from faceshield.models.resnet import resnet18
from faceshield.training.loop import build_seeded, predict, train


class RecogniserSettings(NetworkSettings):
    """``held_out``: the share of everybody's photos for tests."""

    held_out: float
    epochs: int


class RecogniserKey(CellKey):
    """``size`` is the side of its crops in pixels."""

    size: int


def recogniser(key: RecogniserKey, seed: int, settings: RecogniserSettings, context: Context) -> dict[str, Any]:
    """Train and keep one."""
    size = key.size
    data = read_source(settings, context)
    data = replace(data, images=crop_canvas(data.images, size))
    held = data.hold_out(settings.held_out, seed=0)
    training, clean = data.select(~held), data.select(held)
    network = build_seeded(lambda: resnet18(len(data.classes), width=settings.width, stem="stride2"), seed + size)
    history = train(
        network, training, context.runtime, epochs=settings.epochs, seed=seed + size, lr=settings.lr,
        on_epoch=context.epochs(settings.epochs),
    )  # fmt: skip
    right = predict(network, clean.images, context.runtime) == clean.labels
    made = build_recogniser(network.float().cpu(), size, training.images, training.labels)
    return {
        "test_accuracy_final": float(right.double().mean()),
        "train_loss": history.train_loss[-1],
        "identities": len(data.classes),
        "photos": len(training),
        "file": write_made(f"recogniser-{size}-{seed}", (made.state_dict(), {"size": size}), context),
    }


EXPERIMENT = Experiment(recogniser, RecogniserSettings, RecogniserKey)
