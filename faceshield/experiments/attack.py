"""The collector: a classifier trained from scratch on whatever photos it got, tested on clean ones it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.experiments.run import Context, OnEpoch
from faceshield.models.resnet import resnet18
from faceshield.training.loop import Augment, predict, seeded, train

AUGMENTS: dict[str, Augment] = {
    "crop-flip": crop_and_flip,
    "flip": partial(crop_and_flip, pad=0),
}


def attack(
    training: Examples,
    clean: Examples,
    protected: Sequence[int],
    seed: int,
    settings: dict[str, Any],
    context: Context,
    augment: str | Augment = "crop-flip",
    network: nn.Module | None = None,
    on_epoch: OnEpoch | None = None,
    **training_settings: Any,
) -> dict[str, Any]:
    """Train on ``training``, test on ``clean``; ``protected`` are the labels of the cloaked people.

    ``network`` is what is trained, in place: an RN-18 of ``settings["width"]`` unless given. ``training_settings`` go
    to :func:`faceshield.training.loop.train`. ``on_epoch`` hears of each epoch after its test.

    Final and peak accuracy of both groups (mean over photos; without ``others_accuracy`` where nobody else is tested)
    and the confusion matrix (rows: who it is, columns: who the classifier says). The peak is that of the protected
    people over all epochs: the best a collector could stop at.
    """
    who = torch.tensor(sorted(protected))
    target = torch.isin(clean.labels, who)
    curve: list[tuple[float, float]] = []
    network = network or seeded(lambda: resnet18(len(clean.classes), width=settings["width"], stem="stride2"), seed)

    def test(epoch: int, loss: float) -> None:
        right = predict(network, clean.images, context.runtime) == clean.labels
        curve.append((_share(right[target]), _share(right[~target])))
        if epoch % 10 == 9 or epoch == settings["epochs"] - 1:
            context.say(
                f"  epoch {epoch + 1}: loss {loss:.3f}, protected {curve[-1][0]:.3f}, others {curve[-1][1]:.3f}"
            )
        if on_epoch is not None:
            on_epoch(epoch, loss)

    train(
        network,
        training,
        context.runtime,
        epochs=settings["epochs"],
        seed=seed,
        lr=settings["lr"],
        augment=AUGMENTS[augment] if isinstance(augment, str) else augment,
        on_epoch=test,
        **training_settings,
    )
    guess = predict(network, clean.images, context.runtime)
    cells = torch.bincount(clean.labels * len(clean.classes) + guess, minlength=len(clean.classes) ** 2)
    found = {
        "protected_accuracy": curve[-1][0],
        "others_accuracy": curve[-1][1],
        "protected_accuracy_peak": max(value for value, _ in curve),
        "chance": 1 / len(clean.classes),
        "training_photos": len(training),
        "test_photos": len(clean),
        "confusion": cells.view(len(clean.classes), -1).tolist(),
        "curve_protected": [round(value, 4) for value, _ in curve],
        "curve_others": [round(value, 4) for _, value in curve],
    }
    return found if (~target).any() else {name: found[name] for name in found if "others" not in name}


def framed(images: Tensor, size: int, margin: int = 8) -> Tensor:
    """The middle of canvas pictures uint8 (n, 3, S, S), ``margin`` pixels cut off all round, resized to ``size``²."""
    parts = [middle(chunk.float(), size, margin) for chunk in images.split(512)]
    return torch.cat(parts).round().clamp(0, 255).to(torch.uint8)


def middle(images: Tensor, size: int, margin: int = 8) -> Tensor:
    """:func:`framed` for float pictures of any range, unrounded."""
    side = images.shape[-1] - margin
    return F.interpolate(images[..., margin:side, margin:side], (size, size), mode="bilinear", antialias=True)


def _share(right: Tensor) -> float:
    return float(right.float().mean()) if len(right) else 0.0
