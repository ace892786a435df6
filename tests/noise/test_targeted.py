"""TAP and SEP: steps towards another class, of one network or of many along a training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, fresh, pictures, shuffled, trained
from torch import nn

from faceshield.core.errors import UsageError
from faceshield.noise.registry import TRAINED, build_method
from faceshield.noise.targeted import Targeted, choose_epochs

TAP = Targeted(steps=4, batch=10)
SEP = replace(TAP, checkpoints=3)


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def learner(data):
    """Trained; its checkpoints are three of networks that were trained for 20, 40 and 60 steps."""
    states = [dict(trained(data, steps).model.state_dict()) for steps in (20, 40, 60)]
    return replace(trained(data), checkpoints=states)


def gradient(model, x, target):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(F.cross_entropy(model(x), target, reduction="sum"), x)[0]


def test_the_first_step_goes_down_the_target_classes_loss(data, learner):
    noise = replace(TAP, steps=1, augment=False).generate(data, learner, seed=0)
    clean, target = data.images.float() / 255, (data.labels + 1) % 3  # half of three classes
    expected = (clean - EPSILON / 10 * gradient(learner.model, clean, target).sign()).clamp(0, 1) - clean
    assert ((noise.delta - expected).abs() < 1e-6).float().mean() >= 0.99
    other = replace(TAP, steps=1, augment=False, shift=2).generate(data, learner, seed=0)
    expected = (clean - EPSILON / 10 * gradient(learner.model, clean, (data.labels + 2) % 3).sign()).clamp(0, 1) - clean
    assert ((other.delta - expected).abs() < 1e-6).float().mean() >= 0.99
    assert not other.delta.equal(noise.delta)


def test_many_networks_gradients_are_added(data, learner):
    noise = replace(SEP, steps=1, augment=False).generate(data, learner, seed=0)
    clean, target, total = data.images.float() / 255, (data.labels + 1) % 3, 0
    for steps in (20, 40, 60):
        total = total + gradient(trained(data, steps).model, clean, target)
    expected = (clean - EPSILON / 10 * total.sign()).clamp(0, 1) - clean
    assert ((noise.delta - expected).abs() < 1e-6).float().mean() >= 0.99
    assert noise.provenance["networks"] == 3


def test_sep_with_one_checkpoint_is_tap(data, learner):
    one = replace(learner, checkpoints=learner.checkpoints[-1:])
    tap, sep = (method.generate(data, one, seed=0) for method in (TAP, SEP))
    assert sep.delta.numpy().tobytes() == tap.delta.numpy().tobytes()
    assert (tap.provenance["method"], sep.provenance["method"]) == ("tap", "sep")


def test_each_asks_the_networks_in_turn(data, learner):
    """Three steps of one network each, against three jobs of one network that go on from each other by hand."""
    noise = replace(SEP, steps=3, each=1, augment=False).generate(data, learner, seed=0)
    clean, target = data.images.float() / 255, (data.labels + 1) % 3
    delta = torch.zeros_like(clean)
    for steps in (20, 40, 60):
        slope = gradient(trained(data, steps).model, (clean + delta).clamp(0, 1), target)
        delta = (delta - EPSILON / 10 * slope.sign()).clamp(-EPSILON, EPSILON)
        delta = (clean + delta).clamp(0, 1) - clean
    assert ((noise.delta - delta).abs() < 1e-6).float().mean() >= 0.99


@pytest.mark.parametrize("method", [TAP, SEP], ids=["tap", "sep"])
def test_it_is_seeded_bounded_and_taken_for_the_target(data, learner, method):
    before = {name: value.clone() for name, value in learner.state().items()}
    heard = []
    long = replace(method, steps=20)
    noise = long.generate(data, learner, seed=0, on_round=lambda number, error, delta: heard.append((number, error)))
    assert EPSILON / 2 < noise.delta.abs().max() <= EPSILON + 1e-7
    assert noise.keys == data.ids
    assert heard == list(enumerate(noise.provenance["errors"]))
    assert len(heard) == long.rounds == 20
    assert noise.provenance["steps_taken"] == 20 * len(data)
    clean, target = data.images.float() / 255, (data.labels + 1) % 3
    with torch.no_grad():
        near, far = (float(F.cross_entropy(learner.model(x), target)) for x in (clean + noise.delta, clean))
    assert near < far
    assert all(learner.state()[name].equal(value) for name, value in before.items())
    assert long.generate(shuffled(data), learner, seed=0).delta.equal(noise.delta)
    assert not long.generate(data, learner, seed=1).delta.equal(noise.delta)


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [0, 2])
def test_a_killed_run_goes_on_to_the_same_bytes(data, learner, at, tmp_path):
    kept = replace(SEP, checkpoint=tmp_path / "job.safetensors")

    def kill(number, error, delta):
        if number == at:
            raise Killed

    whole = SEP.generate(data, learner, seed=3)
    with pytest.raises(Killed):
        kept.generate(data, learner, seed=3, on_round=kill)
    heard = []
    again = kept.generate(data, learner, seed=3, on_round=lambda number, *_: heard.append(number))
    assert heard == list(range(at + 1, 4))
    assert again.delta.numpy().tobytes() == whole.delta.numpy().tobytes()
    assert again.provenance == whole.provenance


def test_features_are_led_to_the_mean_of_the_target_class(data, learner):
    """The whole network but its last layer; one step by hand."""
    body = nn.Sequential(*list(learner.model)[:-1]).eval()
    told = replace(learner, frozen_features=lambda: body)
    noise = replace(TAP, steps=1, augment=False, toward="features").generate(data, told, seed=0)
    clean, target = data.images.float() / 255, (data.labels + 1) % 3
    with torch.no_grad():
        features = body(clean)
    means = torch.stack([features[data.labels == label].mean(0) for label in range(3)])
    x = clean.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad((body(x) - means[target]).square().sum(), x)
    expected = (clean - EPSILON / 10 * slope.sign()).clamp(0, 1) - clean
    assert ((noise.delta - expected).abs() < 1e-6).float().mean() >= 0.99
    nearest = torch.cdist(features, means).argmin(1)
    assert noise.provenance["errors"] == [pytest.approx(float((nearest != target).float().mean()))]


@pytest.mark.parametrize(
    ("epochs", "count", "chosen"), [(30, 30, list(range(30))), (12, 4, [2, 5, 8, 11]), (3, 30, [0, 1, 2]), (7, 1, [6])]
)
def test_epochs_are_evenly_spaced_and_end_with_the_last(epochs, count, chosen):
    assert choose_epochs(epochs, count) == chosen


def test_what_cannot_be_asked_for(data, learner):
    assert {"tap", "sep"} <= TRAINED
    assert build_method("sep", "sample", checkpoints=8, epsilon=16 / 255).alpha == pytest.approx(1.6 / 255)
    with pytest.raises(UsageError, match="tap noise is made in form 'sample' only"):
        build_method("tap", "class")
    with pytest.raises(UsageError, match="toward 'colour' is unknown"):
        build_method("tap", "sample", toward="colour")
    with pytest.raises(UsageError, match="checkpoints 0"):
        build_method("sep", "sample", checkpoints=0)
    with pytest.raises(UsageError, match="shift 3 leads from each of 3 classes back"):
        replace(TAP, shift=3).generate(data, learner, seed=0)
    with pytest.raises(UsageError, match="the learner has none; use tap"):
        SEP.generate(data, fresh(), seed=0)
    with pytest.raises(UsageError, match="use toward 'class'"):
        replace(TAP, toward="features").generate(data, fresh(), seed=0)
