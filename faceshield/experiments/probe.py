"""What a cell of a classification experiment would take, by ten steps of each kind that it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.classify import ClassifySettings, checked_settings
from faceshield.experiments.fitted import TrainingSettings, fitted, opened
from faceshield.experiments.noises import (
    NoiseJob,
    fresh_surrogate,
    noise_job,
    surrogate_job,
    variant_of,
)
from faceshield.experiments.plan import Planned, digest_of
from faceshield.experiments.protected import exposure, part
from faceshield.experiments.run import Context
from faceshield.experiments.settings import MADE_HERE
from faceshield.experiments.trained import network_path
from faceshield.noise.base import Learner, NoiseMethod
from faceshield.noise.eq5 import Eq5
from faceshield.noise.error_max import ErrorMax
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.file import read_noise
from faceshield.noise.mix import Added, Either
from faceshield.noise.registry import TRAINED
from faceshield.training.adversarial import Adversary
from faceshield.training.learner import learner
from faceshield.training.loop import predict

STEPS = 10
ROUNDS = 6
"""Of error-min, which ends by itself: a guess at how many, since that is not known before."""

_TESTED = 512  # pictures
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
    - of θ and of δ for error-min noise, patches, Eq. 5 and mixtures: times the steps of :data:`ROUNDS` rounds, or of
      the method's own where these are fewer. The noise ends at an error, and may take half or several times as many;
    - of δ for sample-wise error-max noise: times its steps.

    What is kept already, or will be by a cell that comes before, counts nothing. Left out: reading the pictures and
    adding the noise, class-wise error-max noise after its network's training (a part of such a cell, up to a half, is
    thus missing), what a noise's ``enough`` spares, and what a killed cell's checkpoint has already.

    Of CIFAR and SVHN the shape is known: where they are absent, made-up pictures are timed. Raises UsageError for other
    data that is absent.
    """
    prober = _Prober(replace(context, say=lambda line: None))
    return [prober.cell(planned) for planned in cells]


class _Prober:
    """What was timed and opened once is not again for the next cell."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.known: dict[str, tuple[float, ...]] = {}
        self.data: dict[str, tuple[Examples, Examples]] = {}
        self.coming: set[Path] = set()

    def cell(self, planned: Planned) -> float:
        key, seed, total = planned.key, planned.seed, 0.0
        own = checked_settings(planned.settings).of(key)
        data, test = self.both(own)
        mask = exposure(key, seed).mask(data)
        training, there = data, True
        if key["noise"] != "none":
            job = noise_job(key, seed, data, own, self.context)
            there = job.path.is_file()
            if there:
                noise = read_noise(job.path)
                training = unlearnable(data, noise, mask, variant=variant_of(key), place_seed=seed)
            elif self.first(job.path):
                if key["noise"] in TRAINED:
                    theirs = surrogate_job(seed, data, own, self.context)
                    if self.first(theirs.path):
                        total += self.training(data, test, theirs.settings, theirs.epochs)
                total += self.noise(job, data, own)
        training, collector = part(training, mask, key), own.collector(key)
        adversary = own.opponent()
        if there and network_path(training, test, collector, seed, self.context, adversary=adversary).is_file():
            return total
        return total + self.training(training, test, collector, collector.epochs, adversary)

    def both(self, own: ClassifySettings) -> tuple[Examples, Examples]:
        """The training and the test pictures, or such as they would be."""
        name = digest_of([own.data, own.size, own.limit, own.test_limit])
        if name not in self.data:
            path = self.context.where(own.data)
            if own.data not in MADE_HERE and path.name in _KNOWN and not path.exists():
                self.data[name] = fabricated(path.name, own)
            else:
                self.data[name] = opened(own, "train", self.context).sorted(), opened(own, "test", self.context)
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

    def training(
        self, data: Examples, test: Examples, own: TrainingSettings, epochs: int, adversary: Adversary | None = None
    ) -> float:
        step, picture = self.once(
            [own.model, own.width, own.augment, min(own.batch, len(data)), data.images.shape[2:], len(data.classes),
             None if adversary is None else asdict(adversary)],
            lambda: training_pace(data, test, own, self.context, adversary),
        )  # fmt: skip
        return epochs * (-(-len(data) // own.batch) * step + len(test) * picture)

    def noise(self, job: NoiseJob, data: Examples, own: ClassifySettings) -> float:
        def measure() -> tuple[float, ...]:
            network = fresh_surrogate(len(data.classes), 0, own)
            return (noise_seconds(job.method, data, learner(network, self.context.runtime, lr=job.rate)),)

        theta = [own.surrogate, own.surrogate_width or own.width]
        return self.once([str(job.method), *theta, list(data.images.shape), len(data.classes)], measure)[0]


def training_pace(
    data: Examples, test: Examples, own: TrainingSettings, context: Context, adversary: Adversary | None
) -> tuple[float, float]:
    """Seconds of one step of the training that ``own`` describes, and of the test of one picture."""
    some, tested = thinned(data, STEPS * own.batch), thinned(test, _TESTED)
    fitted(thinned(data, own.batch), tested, own, 0, context, epochs=1, adversary=adversary)  # warms up
    pace = -(-len(some) // own.batch)
    epochs = -(-STEPS // pace)
    made = fitted(some, tested, own, 0, context, epochs=epochs, adversary=adversary)
    begun = time.perf_counter()
    predict(made.model, tested.images, context.runtime)
    return made.history.seconds / (epochs * pace), (time.perf_counter() - begun) / len(tested)


def noise_seconds(method: NoiseMethod, data: Examples, theta: Learner) -> float:
    """What ``method`` would take for ``data``, as :func:`probe` says; 0 for a method that is not covered."""
    if isinstance(method, Either | Added):
        return sum(noise_seconds(one, data, theta) for one in (method.first, method.second))
    if isinstance(method, ErrorMax):
        steps = min(method.steps, STEPS)
        own = [replace(method, steps=count) for count in (1, steps)]
        return method.steps / steps * _picture(own, data, method.batch, 1, theta) * len(data)
    if isinstance(method, ErrorMin):
        one_pass = _error_min_picture(method, data, theta) * max(1, round(method.subset * len(data)))
        return min(method.rounds, ROUNDS) * (method.fit_steps * _fit(data, method.batch, theta) + one_pass)
    return 0.0


def _error_min_picture(method: ErrorMin, data: Examples, theta: Learner) -> float:
    """Seconds of a δ pass for one picture, by ten steps of a batch, or by one step of ten batches where T is 1."""
    alone = replace(method, rounds=1, fit_steps=0, subset=1.0, checkpoint=None)
    size = (method.delta_batch or method.batch) if method.update == "mean" else len(data.classes)
    if isinstance(method.solver, Eq5):
        solver, steps = method.solver, min(method.solver.steps, STEPS)
        own = [replace(alone, solver=replace(solver, steps=count)) for count in (1, steps)]
        return solver.steps / steps * _picture(own, data, size, 1, theta)
    steps = min(method.steps, STEPS)
    own = [replace(alone, steps=count) for count in (1, steps)]
    return method.steps / steps * _picture(own, data, size, STEPS // steps, theta)


def _picture(warm_and_own: Sequence[NoiseMethod], data: Examples, size: int, batches: int, theta: Learner) -> float:
    """Seconds of the second method for one picture, by ``batches`` of ``size``, after the first one for one batch."""
    some = thinned(data, batches * size)
    warm, own = warm_and_own
    warm.generate(thinned(data, size), theta, seed=0)
    begun = time.perf_counter()
    own.generate(some, theta, seed=0)
    return (time.perf_counter() - begun) / len(some)


def _fit(data: Examples, batch: int, theta: Learner) -> float:
    """Seconds of one of θ's steps."""
    some = thinned(data, batch)
    images, labels = some.images.to(theta.device).float() / 255, some.labels.to(theta.device)
    theta.model.train()
    float(theta.fit(images, labels).sum())  # warms up, and waits for the device
    begun = time.perf_counter()
    for _ in range(STEPS):
        losses = theta.fit(images, labels)
    float(losses.sum())
    return (time.perf_counter() - begun) / STEPS


def thinned(data: Examples, count: int) -> Examples:
    """``count`` of the examples at most, evenly from the first to the last: of every class, where they are sorted."""
    chosen = torch.zeros(len(data), dtype=torch.bool)
    chosen[torch.arange(min(count, len(data))) * len(data) // min(count, len(data))] = True
    return data.select(chosen)


def fabricated(name: str, own: TrainingSettings) -> tuple[Examples, Examples]:
    """Pictures of noise, as many and as large as the data set ``name`` would give for training and test."""
    classes, train, test, side = _KNOWN[name]
    side = own.size or side

    def drawn(most: int, limit: int | None) -> Examples:
        labels = torch.arange(classes).repeat_interleave(min(most, limit or most))
        images = torch.randint(0, 256, (len(labels), 3, side, side), dtype=torch.uint8)
        return Examples(images, labels, tuple(f"{i:06d}" for i in range(len(labels))), tuple(map(str, range(classes))))

    return drawn(train, own.limit), drawn(test, own.test_limit)
