"""How long one step of a training or of a noise takes here, by ten steps of each kind that it is made of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from faceshield.data.examples import Examples
from faceshield.experiments.fitted import Training, fitted
from faceshield.experiments.run import Context
from faceshield.noise.base import Learner, NoiseMethod
from faceshield.noise.eq5 import Eq5
from faceshield.noise.error_max import ErrorMax
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.mix import Added, Either
from faceshield.training.loop import predict

STEPS = 10
ROUNDS = 6
"""Of error-min, which ends by itself: a guess at how many, since that is not known before."""

_TESTED = 512  # pictures


def training_pace(training: Training, context: Context) -> tuple[float, float]:
    """Seconds of one step of ``training``, and of the test of one picture."""
    batch = training.settings.batch
    some, tested = thinned(training.data, STEPS * batch), thinned(training.test, _TESTED)
    short = replace(training, data=some, test=tested, epochs=1)
    fitted(replace(short, data=thinned(some, batch)), context)  # warms up
    pace = -(-len(some) // batch)
    epochs = -(-STEPS // pace)
    made = fitted(replace(short, epochs=epochs), context)
    begun = time.perf_counter()
    predict(made.model, tested.images, context.runtime)
    return made.history.seconds / (epochs * pace), (time.perf_counter() - begun) / len(tested)


def noise_seconds(method: NoiseMethod, data: Examples, theta: Learner) -> float:
    """What ``method`` would take for ``data``, as ``probe.probe`` says; 0 for a method that is not covered."""
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
