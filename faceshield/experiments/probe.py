"""What a cell of a classification experiment would take, before it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.classify import ClassifySettings, checked_settings
from faceshield.experiments.fitted import Training, TrainingSettings, opened
from faceshield.experiments.noises import fresh_surrogate, noise_job, surrogate_training, variant_of
from faceshield.experiments.pace import noise_seconds, training_pace
from faceshield.experiments.plan import Planned, digest_of
from faceshield.experiments.protected import exposure, part
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import MADE_HERE
from faceshield.experiments.trained import network_path
from faceshield.experiments.transfer import checked_transfer
from faceshield.noise.file import read_noise
from faceshield.noise.registry import TRAINED
from faceshield.training.learner import learner

_KNOWN = {
    "cifar-10-binary.tar.gz": (10, 5000, 1000, 32),
    "cifar-100-binary.tar.gz": (100, 500, 100, 32),
    "svhn": (10, 7326, 2603, 32),
}  # classes, training and test pictures of each (SVHN: on average), their side


def probe(cells: Sequence[Planned], context: Context) -> list[float]:
    """Seconds that each of ``cells`` of classify or backdoor would take here, were they run in this order.

    Ten steps of each kind are timed, after one to warm up, on the cell's own pictures and device:

    - of the collector's network, and of the one that error-max is made against: times the steps of all epochs, and as
      many tests;
    - of θ and of δ for error-min noise, patches, Eq. 5 and mixtures: times the steps of ``pace.ROUNDS`` rounds, or of
      the method's own where these are fewer. The noise ends at an error, and may take half or several times as many;
    - of δ for sample-wise error-max noise: times its steps.

    What is kept already, or will be by a cell that comes before, counts nothing. Left out: reading the pictures and
    adding the noise, class-wise error-max noise after its network's training (a part of such a cell, up to a half, is
    thus missing), what a noise's ``enough`` spares, and what a killed cell's checkpoint has already.

    Of CIFAR and SVHN the shape is known: where they are absent, made-up pictures are timed. Raises UsageError for other
    data that is absent.
    """
    prober = _Prober(replace(context, say=lambda line: None))
    return [prober.classified(planned) for planned in cells]


def probe_cost(cells: Sequence[Planned], context: Context) -> list[float]:
    """:func:`probe` for cells of cost, which make both the training and the noise anew."""
    prober = _Prober(replace(context, say=lambda line: None))
    return [prober.timed(planned) for planned in cells]


def probe_transfer(cells: Sequence[Planned], context: Context) -> list[float]:
    """:func:`probe` for cells of added-class and mapped-classes; a network that is kept already is counted."""
    prober = _Prober(replace(context, say=lambda line: None))
    return [prober.transferred(planned) for planned in cells]


class _Prober:
    """What was timed and opened once is not again for the next cell."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.known: dict[str, tuple[float, ...]] = {}
        self.data: dict[str, tuple[Examples, Examples]] = {}
        self.coming: set[Path] = set()

    def classified(self, planned: Planned) -> float:
        key, seed = planned.key, planned.seed
        own = checked_settings(planned.settings).of(key)
        data, test = self.both(own)
        mask = exposure(key, seed).mask(data)
        collected, there, total = data, True, 0.0
        if key["noise"] != "none":
            path = noise_job(key, seed, data, own, self.context).path
            there = path.is_file()
            if there:
                collected = unlearnable(data, read_noise(path), mask, variant=variant_of(key), place_seed=seed)
            total = self.made(key, seed, data, test, own)
        training = Training(part(collected, mask, key), test, own.collector(key), seed, own.opponent())
        kept = there and network_path(training, self.context).is_file()
        return total + (0.0 if kept else self.training(training))

    def timed(self, planned: Planned) -> float:
        own = checked_settings(planned.settings)
        data, test = self.both(own)
        return self.training(Training(data, test, own, planned.seed)) + self.noise(planned.key, planned.seed, data, own)

    def transferred(self, planned: Planned) -> float:
        key, seed, own = planned.key, planned.seed, checked_transfer(planned.settings)
        data, test = self.both(own, own.only)
        source, source_test = self.both(own.model_copy(update={"data": own.source}), own.source_only)
        made = 0.0 if key["noise"] == "none" else self.made(key, seed, source, source_test, own)
        joining = 0 if own.added is None else len(source) // len(source.classes)
        return made + self.training(Training(data, test, own.collector(key), seed, own.opponent()), joining)

    def both(self, own: ClassifySettings, only: Sequence[str] | None = None) -> tuple[Examples, Examples]:
        """The training and the test pictures, or such as they would be; of the classes ``only``."""
        name = digest_of([own.data, own.size, own.limit, own.test_limit, only])
        if name not in self.data:
            path = self.context.where(own.data)
            if own.data not in MADE_HERE and path.name in _KNOWN and not path.exists():
                self.data[name] = fabricated(path.name, own)
            else:
                pair = opened(own, "train", self.context).sorted(), opened(own, "test", self.context)
                self.data[name] = pair if only is None else (pair[0].of_classes(only), pair[1].of_classes(only))
        return self.data[name]

    def first(self, path: Path) -> bool:
        """Whether nobody has made this file, nor will have before this cell."""
        new = not path.is_file() and path not in self.coming
        self.coming.add(path)
        return new

    def once(self, what: object, measure: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
        name = digest_of(what)
        if name not in self.known:
            self.known[name] = measure()
        return self.known[name]

    def training(self, training: Training, joining: int = 0) -> float:
        """Seconds of a whole training, with so many pictures ``joining`` its own."""
        own, data, adversary = training.settings, training.data, training.adversary
        step, picture = self.once(
            [own.model, own.width, own.augment, min(own.batch, len(data)), data.images.shape[2:], len(data.classes),
             None if adversary is None else asdict(adversary)],
            lambda: training_pace(training, self.context),
        )  # fmt: skip
        steps = -(-(len(data) + joining) // own.batch)
        return (training.epochs or own.epochs) * (steps * step + len(training.test) * picture)

    def made(self, key: Key, seed: int, data: Examples, test: Examples, own: ClassifySettings) -> float:
        """Seconds of a cell's noise, with the training of the network that it may need; 0 for what is kept."""
        if not self.first(noise_job(key, seed, data, own, self.context).path):
            return 0.0
        total = 0.0
        if key["noise"] in TRAINED:
            theirs, path = surrogate_training(seed, data, test, own, self.context)
            if self.first(path):
                total = self.training(theirs)
        return total + self.noise(key, seed, data, own)

    def noise(self, key: Key, seed: int, data: Examples, own: ClassifySettings) -> float:
        job = noise_job(key, seed, data, own, self.context)

        def measure() -> tuple[float, ...]:
            network = fresh_surrogate(len(data.classes), 0, own)
            return (noise_seconds(job.method, data, learner(network, self.context.runtime, lr=job.rate)),)

        theta = [own.surrogate, own.surrogate_width or own.width]
        return self.once([str(job.method), *theta, list(data.images.shape), len(data.classes)], measure)[0]


def fabricated(name: str, own: TrainingSettings) -> tuple[Examples, Examples]:
    """Pictures of noise, as many and as large as the data set ``name`` would give for training and test."""
    classes, train, test, side = _KNOWN[name]
    side = own.size or side

    def drawn(most: int, limit: int | None) -> Examples:
        labels = torch.arange(classes).repeat_interleave(min(most, limit or most))
        images = torch.randint(0, 256, (len(labels), 3, side, side), dtype=torch.uint8)
        return Examples(images, labels, tuple(f"{i:06d}" for i in range(len(labels))), tuple(map(str, range(classes))))

    return drawn(train, own.limit), drawn(test, own.test_limit)
