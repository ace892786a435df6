"""Sample-wise error-max: PGD-20 against a trained network, foolbox beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, pictures, shuffled, trained

from faceshield.core.budget import Budget
from faceshield.noise.error_max import ErrorMax


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def learner(data):
    return trained(data)


def test_it_agrees_with_foolbox(data, learner):
    foolbox = pytest.importorskip("foolbox", reason="foolbox (extra dev) is not installed")
    clean = data.images.float() / 255
    wrapped = foolbox.PyTorchModel(learner.model, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=EPSILON / 10, steps=20, random_start=False)
    theirs, _, _ = attack(wrapped, clean, foolbox.criteria.Misclassification(data.labels), epsilons=EPSILON)
    noise = ErrorMax(Budget(EPSILON)).generate(data, learner, seed=0)
    assert ((clean + noise.delta - theirs).abs() < 1e-5).float().mean() >= 0.99
    assert noise.provenance["steps_taken"] == 20 * len(data)


@pytest.mark.parametrize("method", [ErrorMax(), ErrorMax(random_start=True)], ids=["from 0", "random start"])
def test_it_raises_the_loss_inside_the_budget_and_fits_nothing(data, learner, method):
    before = {name: value.clone() for name, value in learner.state().items()}
    heard = []
    noise = method.generate(data, learner, seed=0, on_round=lambda number, error, delta: heard.append((number, error)))
    clean = data.images.float() / 255
    with torch.no_grad():
        least, most = (float(F.cross_entropy(learner.model(x), data.labels)) for x in (clean, clean + noise.delta))
        wrong = float((learner.model(clean + noise.delta).argmax(1) != data.labels).float().mean())
    assert most > least
    assert heard == [(0, wrong)]
    assert noise.provenance["errors"] == [wrong]
    assert noise.delta.abs().max() <= EPSILON + 1e-7
    assert (clean + noise.delta).min() >= 0
    assert (clean + noise.delta).max() <= 1
    assert noise.keys == data.ids
    assert all(learner.state()[name].equal(value) for name, value in before.items())
    again = replace(method, batch=len(data)).generate(shuffled(data), learner, seed=0)
    assert method.generate(data, learner, seed=0).delta.equal(noise.delta)
    assert ((again.delta - noise.delta).abs() < 1e-6).float().mean() >= 0.999


def test_a_random_start_is_uniform_and_the_examples_own(data, learner):
    start = ErrorMax(random_start=True, steps=0)
    noise = start.generate(data, learner, seed=0)
    inside = (data.images > 8) & (data.images < 247)
    free = noise.delta[inside] / EPSILON
    assert free.abs().max() <= 1 + 1e-5
    assert free.abs().mean() == pytest.approx(0.5, abs=0.05)
    assert free.mean() == pytest.approx(0, abs=0.05)
    part = start.generate(data.select(torch.arange(len(data)) % 3 == 0), learner, seed=0)
    assert part.delta.equal(noise.for_batch(part.keys))
    assert not start.generate(data, learner, seed=1).delta.equal(noise.delta)
    assert (ErrorMax(steps=0).generate(data, learner, seed=0).delta == 0).all()


def test_enough_ends_at_the_loss_asked_for(data, learner):
    with torch.no_grad():
        clean = F.cross_entropy(learner.model(data.images.float() / 255), data.labels, reduction="none")
    enough = float(clean.median())
    noise = ErrorMax(enough=enough).generate(data, learner, seed=0)
    assert (noise.delta.abs().amax((1, 2, 3)) > 0).equal(clean < enough)
