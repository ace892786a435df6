"""REM and SEM: error-min against an adversary, or against a random one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, fresh, network, pictures, shuffled, unfitted

from faceshield.core.errors import UsageError
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.registry import build_method
from faceshield.noise.robust import Robust
from faceshield.noise.stable import Stable

FAST = {"fit_steps": 2, "rounds": 3, "steps": 2, "batch": 8, "stop_error": -1.0}
REM = Robust(**FAST, ascents=2, draws=2)
SEM = Stable(**FAST, ascents=2, draws=2)
BOTH = pytest.mark.parametrize("method", [REM, SEM], ids=["rem", "sem"])


@pytest.fixture(scope="module")
def data():
    return pictures()


@BOTH
@pytest.mark.parametrize("view", [None, "kept"])
def test_without_a_radius_it_is_error_min(data, method, view):
    calm = replace(method, radius=0.0, draws=1, view=method.view if view else None)
    plain = ErrorMin.sample_wise(**FAST, alpha=calm.alpha, view=calm.view)
    one, two = (way.generate(data, fresh(), seed=0).delta for way in (calm, plain))
    assert one.numpy().tobytes() == two.numpy().tobytes()


@BOTH
def test_it_keeps_epsilon_and_comes_from_the_seed(data, method):
    noise = method.generate(data, fresh(), seed=0)
    assert EPSILON / 5 < noise.delta.abs().max() <= EPSILON + 1e-7
    assert noise.keys == data.ids
    assert noise.provenance["method"] == method.name
    assert method.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    assert not method.generate(data, fresh(), seed=1).delta.equal(noise.delta)
    assert not replace(method, radius=0.0).generate(data, fresh(), seed=0).delta.equal(noise.delta)


def test_a_step_is_taken_where_the_ascent_ends(data):
    """One step from 0 without a transform, by hand: up by two signed steps, the gradient there."""
    model, radius, ascent = network().eval(), 0.5, 0.3  # far: the network is almost linear
    method = replace(REM, fit_steps=0, rounds=1, steps=1, view=None, draws=1, radius=radius, ascent=ascent)
    noise = method.generate(data, unfitted(model), seed=0)
    clean = data.images.float() / 255

    def gradient(x):
        x = x.clone().requires_grad_(True)
        return torch.autograd.grad(F.cross_entropy(model(x), data.labels, reduction="sum"), x)[0]

    worst = clean
    for _ in range(2):
        worst = (worst + ascent * gradient(worst).sign()).clamp(clean - radius, clean + radius).clamp(0, 1)
    expected = (clean - EPSILON / 5 * gradient(worst).sign()).clamp(0, 1) - clean
    assert ((noise.delta - expected).abs() < 1e-6).float().mean() >= 0.99
    plain = (clean - EPSILON / 5 * gradient(clean).sign()).clamp(0, 1) - clean
    assert ((noise.delta - plain).abs() < 1e-6).float().mean() < 0.99


def test_draws_are_averaged(data):
    """Two draws of which one is the picture and one its mirror: the mean of both gradients."""
    model, turns = network().eval(), []
    view = lambda x, rng: turns.append(1) or (x if len(turns) % 2 else x.flip(3))  # noqa: E731
    method = replace(REM, fit_steps=0, rounds=1, steps=1, view=view, radius=0.0, batch=99)
    noise = method.generate(data, unfitted(model), seed=0)
    clean = (data.images.float() / 255).requires_grad_(True)
    loss = sum(F.cross_entropy(model(x), data.labels, reduction="sum") for x in (clean, clean.flip(3)))
    (gradient,) = torch.autograd.grad(loss, clean)
    expected = (clean - EPSILON / 5 * gradient.sign()).clamp(0, 1) - clean
    assert ((noise.delta - expected).abs() < 1e-6).float().mean() >= 0.99


@BOTH
def test_theta_is_trained_adversarially(data, method):
    seen, model = [], network().eval()

    def fit(x, labels):
        with torch.no_grad():
            seen.append(float(F.cross_entropy(model(x), labels)))
        return torch.zeros(len(x))

    learner = replace(unfitted(model), fit=fit)
    for radius in (0.0, 4 / 255):
        calm = replace(method, steps=0, rounds=1, view=None, radius=radius, ascent=2 / 255, draws=1)
        calm.generate(data, learner, seed=0)
    assert all(hard > easy for easy, hard in zip(seen[:2], seen[2:], strict=True))


class Killed(Exception):
    pass


@BOTH
def test_a_killed_run_goes_on_to_the_same_bytes(data, method, tmp_path):
    kept = replace(method, checkpoint=tmp_path / "job.safetensors")

    def kill(number, error, delta):
        if number == 1:
            raise Killed

    whole = method.generate(data, fresh(), seed=3)
    with pytest.raises(Killed):
        kept.generate(data, fresh(), seed=3, on_round=kill)
    again = kept.generate(data, fresh(), seed=3)
    assert again.delta.numpy().tobytes() == whole.delta.numpy().tobytes()
    assert again.provenance == whole.provenance


def test_enough_leaves_out_those_whose_hard_loss_is_small(data):
    noise = replace(REM, fit_steps=0, rounds=1, enough=99.0).generate(data, unfitted(network()), seed=0)
    assert noise.provenance["steps_taken"] == 0


def test_settings_follow_epsilon_and_are_checked():
    method = build_method("rem", "sample", epsilon=16 / 255, ascents=3)
    assert (method.alpha, method.radius, method.ascent) == pytest.approx((3.2 / 255, 8 / 255, 1.6 / 255))
    assert (method.steps, method.draws, method.ascents) == (10, 5, 3)
    with pytest.raises(UsageError, match="sem noise is made in form 'sample' only, not 'class'"):
        build_method("sem", "class")
    with pytest.raises(UsageError, match="form 'sample' only"):
        Robust(form="class")
    with pytest.raises(UsageError, match="draws 0"):
        build_method("rem", "sample", draws=0)
