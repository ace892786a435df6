"""A classifier trained from scratch on the pictures it is given and tested on clean ones: whoever scraped the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Generator, Tensor, nn

from faceshield.attacks.table import Name, find_countermeasure
from faceshield.data.augment import Augment, compose, crop_and_flip, cutout
from faceshield.data.examples import Examples
from faceshield.data.mixing import Mix, cutmix, mixup
from faceshield.data.policy import fast_autoaugment
from faceshield.data.sources import Split, open_data
from faceshield.evaluation.accuracy import accuracy, class_accuracy
from faceshield.experiments.engine.context import MADE_HERE, Context
from faceshield.experiments.engine.experiment import Settings, Source
from faceshield.models.zoo import Network, build
from faceshield.training.adversarial import Adversary
from faceshield.training.history import History, Tested
from faceshield.training.loop import build_seeded, predict, train
from faceshield.training.optim import Schedule


def as_they_are(images: Tensor, generator: Generator) -> Tensor:
    """No augmentation, for pictures that lose their meaning when they are mirrored, such as digits."""
    return images


AugmentMixName = Literal["none", "standard", "cutout", "fast-autoaugment", "mixup", "cutmix"]
AUGMENT_AND_MIX: dict[AugmentMixName, tuple[Augment, Mix | None]] = {
    "none": (as_they_are, None),
    "standard": (crop_and_flip, None),
    "cutout": (compose(crop_and_flip, cutout), None),
    "fast-autoaugment": (compose(crop_and_flip, fast_autoaugment), None),
    "mixup": (crop_and_flip, mixup),
    "cutmix": (crop_and_flip, cutmix),
}
"""(augmentation, mixing). The paper's Table 3, each after the crop and flip of standard training; and none at all."""

CHECKPOINT_S = 30.0
"""What a killed training loses at most, beside its last epoch; an epoch of a small network takes half a second."""


class TrainingSettings(Settings):
    """What is trained on and how; ``limit`` and ``test_limit`` are pictures a class, ``size`` their side in pixels.

    ``augment`` is one of :data:`AUGMENT_AND_MIX`.
    """

    data: Source
    limit: int | None = None
    test_limit: int | None = None
    size: int | None = None
    model: Network = "resnet18"
    width: int = 64
    epochs: int
    lr: float
    schedule: Schedule = "one-cycle"
    batch: int = 128
    nesterov: bool = True
    augment: AugmentMixName = "standard"


@dataclass(frozen=True)
class Training:
    """All that decides a network: trained on ``data``, tested on ``test`` after each epoch, drawn by ``seed``.

    ``epochs`` goes before the settings' own; with an ``adversary`` the training is adversarial. ``against`` is a
    counter-measure of ``attacks.table``, of which what belongs to the training is done, in place of the settings' own.
    """

    data: Examples
    test: Examples
    settings: TrainingSettings
    seed: int
    adversary: Adversary | None = None
    epochs: int | None = None
    against: Name = "none"


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, and its curves, those of the classes among them."""

    model: nn.Module
    history: History


def open_split(settings: TrainingSettings, split: Split, context: Context) -> Examples:
    """The train or test pictures. Raises UsageError where the data is absent or invalid."""
    source = settings.data if settings.data in MADE_HERE else context.source(settings.data)
    return open_data(source, split, settings.size, settings.limit if split == "train" else settings.test_limit)


def describe_data(settings: TrainingSettings, context: Context) -> str:
    """A text that changes with the data set's files."""
    return context.content(settings.data)


def fit_network(
    training: Training,
    context: Context,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, nn.Module], None] = lambda epoch, network: None,
) -> TrainedNetwork:
    """The network of ``training``.

    Its first weights, the order of the pictures and the augmentation's draws depend on the seed alone: trained on other
    noise, it differs by the noise only. With a ``checkpoint`` a killed training goes on from that file, which is
    written every :data:`CHECKPOINT_S` seconds at most. ``on_epoch(epoch, network)`` is called at the end of each, from
    0, before that. Raises StoreError for another training's checkpoint.
    """
    data, test, settings, seed = training.data, training.test, training.settings, training.seed
    change, mix = AUGMENT_AND_MIX[settings.augment]
    network = build_seeded(lambda: build(settings.model, len(data.classes), width=settings.width), seed)

    def test_network(network: nn.Module) -> Tested:
        guess = predict(network, test.images, context.runtime)
        return accuracy(guess, test.labels), class_accuracy(guess, test.labels, len(test.classes)).tolist()

    last = training.epochs or settings.epochs
    own = {"augment": change, "mix": mix, "adversary": training.adversary}
    say = context.epochs(last)

    def tell(epoch: int, loss: float) -> None:
        say(epoch, loss)
        on_epoch(epoch, network)

    history = train(
        network, data, context.runtime, epochs=last, seed=seed, lr=settings.lr, batch=settings.batch,
        schedule=settings.schedule, nesterov=settings.nesterov, test=test_network, on_epoch=tell,
        checkpoint=checkpoint, every=CHECKPOINT_S, **{**own, **find_countermeasure(training.against).training()},
    )  # fmt: skip
    return TrainedNetwork(network, history)
