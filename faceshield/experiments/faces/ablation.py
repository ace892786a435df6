"""What each view buys: private noise made with it and without, against a collector who handles photos in many ways.

One collector stands for several: each photo is saved as JPEG, halved, robbed of its colour, cut out otherwise, or left
as it is. What a noise does not withstand in one way teaches the recogniser the face for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from faceshield.attacks.table import find_countermeasure
from faceshield.core.rng import draw_uniform
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import Examples
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment, describe_sources
from faceshield.experiments.faces.bank import CLOSE
from faceshield.experiments.faces.crops import Cloaked, CloakedKey, CropsSettings, cloak_people
from faceshield.models.resnet import resnet18
from faceshield.noise.surrogate import NOISE_WEIGHTS
from faceshield.noise.transforms import Transforms
from faceshield.training.attack import attack
from faceshield.training.loop import build_seeded, predict

PRESENT = Transforms()
ViewsName = Literal[
    "present", "without-crop", "without-grey", "without-washing", "with-band", "with-close-crop", "with-rescale",
    "with-landmarks",
]  # fmt: skip
VIEWS: dict[ViewsName, Transforms] = {
    "present": PRESENT,
    "without-crop": replace(PRESENT, zoom=(1.0, 1.0), shift=0.0, rotate=0.0),
    "without-grey": replace(PRESENT, grey=0.0),
    "without-washing": replace(PRESENT, resample=0.0, jpeg=0.0),
    "with-band": replace(PRESENT, band=0.3),
    "with-close-crop": replace(PRESENT, zoom=CLOSE.zoom, shift=CLOSE.shift, rotate=CLOSE.rotate),
    "with-rescale": replace(PRESENT, scales=(0.5, 2.0)),
    "with-landmarks": replace(PRESENT, landmarks=2.0),
}
WAYS = ("none", "jpeg-75", "half-size", "grey", "recrop")


class AblationKey(CloakedKey):
    """``views`` of :data:`VIEWS`, under which the protected people's private noise is made."""

    views: ViewsName


def ablation(key: AblationKey, seed: int, settings: CropsSettings, context: Context) -> dict[str, Any]:
    """One cell; see :func:`measure_ways` for its metrics."""
    return measure_ways(cloak_people(key, seed, settings, context, VIEWS[key.views]), seed, settings, context)


def measure_ways(made: Cloaked, seed: int, settings: CropsSettings, context: Context) -> dict[str, Any]:
    """What one collector who handles photos in many ways knows of the people.

    Every photo, training or test, is handled in one of :data:`WAYS`, drawn by its id. Beside the metrics of
    :func:`faceshield.training.attack.attack`, protected_accuracy_WAY: all test photos of the protected handled so.
    """
    training, clean, size = made.training(), made.clean(), settings.size
    network = build_seeded(lambda: resnet18(len(clean.classes), width=settings.width, stem="stride2"), seed)
    metrics = attack(
        _handle(training, size), _handle(clean, size), made.protected, seed, context.runtime, epochs=settings.epochs,
        lr=settings.lr, network=network, say=context.say,
    )  # fmt: skip
    protected = clean.select(clean.labels >= made.protected.start)
    for way in WAYS:
        right = predict(network, _collect(protected.images, way, size), context.runtime) == protected.labels
        metrics[f"protected_accuracy_{way}"] = float(right.double().mean())
    return metrics


def _handle(data: Examples, size: int) -> Examples:
    way = (draw_uniform(data.ids, 1, "handled")[:, 0] * len(WAYS)).long()
    images = data.images.new_empty(len(data), 3, size, size)
    for number, name in enumerate(WAYS):
        if (way == number).any():
            images[way == number] = _collect(data.images[way == number], name, size)
    return replace(data, images=images)


def _collect(pictures: Tensor, way: str, size: int) -> Tensor:
    return crop_canvas(find_countermeasure(way).apply(pictures), size)


EXPERIMENT = Experiment(ablation, CropsSettings, AblationKey, describe_sources, weights=NOISE_WEIGHTS)
