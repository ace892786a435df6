"""The collector: a classifier trained from scratch on the photos it collected, tested on other, clean ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.models.resnet import resnet18
from faceshield.training.loop import Augment, build_seeded, predict, train
from faceshield.training.runtime import Runtime

AugmentName = Literal["crop-flip", "flip"]
AUGMENTS: dict[AugmentName, Augment] = {
    "crop-flip": crop_and_flip,
    "flip": partial(crop_and_flip, pad=0),
}


def attack(
    training: Examples,
    clean: Examples,
    protected: Sequence[int],
    seed: int,
    runtime: Runtime,
    *,
    epochs: int,
    lr: float,
    network: nn.Module | None = None,
    width: int = 64,
    augment: Augment = crop_and_flip,
    cloaked: Examples | None = None,
    say: Callable[[str], None] = lambda line: None,
    on_epoch: Callable[[int, float], None] | None = None,
    **training_settings: Any,
) -> dict[str, Any]:
    """Train on ``training``, test on ``clean``; ``protected`` are the labels of the cloaked people.

    ``network`` is trained in place; by default it is a ResNet-18 of ``width``. ``training_settings`` go to
    :func:`faceshield.training.loop.train`. ``say`` gets a line every tenth epoch; ``on_epoch(epoch, loss)`` is called
    after each epoch's test. ``cloaked`` are held-out photos with noise: "curve_cloaked" tells when it is learned.

    Returns the final accuracy of both groups (a mean over photos; no ``others_accuracy`` where nobody else is tested),
    the peak over all epochs of the protected people's accuracy, which is the best epoch for a collector to stop at, and
    the confusion matrix (rows: the person, columns: the classifier's answer).
    """
    who = torch.tensor(sorted(protected))
    target = torch.isin(clean.labels, who)
    curve: list[tuple[float, float]] = []
    noise_curve: list[float] = []
    network = network or build_seeded(lambda: resnet18(len(clean.classes), width=width, stem="stride2"), seed)

    def test(epoch: int, loss: float) -> None:
        right = predict(network, clean.images, runtime) == clean.labels
        curve.append((_share(right[target]), _share(right[~target])))
        if cloaked is not None:
            noise_curve.append(_share(predict(network, cloaked.images, runtime) == cloaked.labels))
        if epoch % 10 == 9 or epoch == epochs - 1:
            say(f"  epoch {epoch + 1}: loss {loss:.3f}, protected {curve[-1][0]:.3f}, others {curve[-1][1]:.3f}")
        if on_epoch is not None:
            on_epoch(epoch, loss)

    train(
        network,
        training,
        runtime,
        epochs=epochs,
        seed=seed,
        lr=lr,
        augment=augment,
        on_epoch=test,
        **training_settings,
    )
    guess = predict(network, clean.images, runtime)
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
        **({"curve_cloaked": [round(value, 4) for value in noise_curve]} if noise_curve else {}),
    }
    return found if (~target).any() else {name: found[name] for name in found if "others" not in name}


def _share(right: Tensor) -> float:
    return float(right.float().mean()) if len(right) else 0.0
