"""Eq. 5: both optimisers against scipy and a closed form; each example a problem of its own; the same outer loop."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, fresh, network, pictures, shuffled
from torch import nn

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.noise.eq5 import Eq5
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.lbfgs import lbfgs

BOTH = pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])


@pytest.fixture(scope="module")
def data():
    return pictures()


def losses_of(model):
    return lambda x, y: F.cross_entropy(model(x), y, reduction="none")


def logistic(size=48, classes=4):
    rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(size, classes)).requires_grad_(False)
    model[1].weight.copy_(torch.randn(classes, size, generator=rng) / 2)
    model[1].bias.zero_()
    return model


@BOTH
@pytest.mark.parametrize("c", [0.3, 1.0])
def test_the_minimum_is_scipys(optimizer, c):
    """Multinomial logistic loss is convex: the minimum is one, and scipy finds it in double precision."""
    minimize = pytest.importorskip("scipy.optimize", reason="scipy (extra dev) is not installed").minimize
    model = logistic()
    rng = torch.Generator().manual_seed(1)
    x, y = torch.rand(5, 3, 4, 4, generator=rng), torch.tensor([0, 1, 2, 3, 0])
    solver = Eq5(optimizer, c=c, steps=1500)
    found, _ = solver.solve(x, y, torch.zeros_like(x), losses_of(model))
    double = logistic().double()

    def value(flat, i):
        delta = torch.tensor(flat).view(1, 3, 4, 4).requires_grad_(True)
        loss = c * delta.pow(2).sum() + F.cross_entropy(double(x[i : i + 1].double() + delta), y[i : i + 1])
        loss.backward()
        return loss.item(), delta.grad.flatten().numpy()

    for i in range(5):
        best = minimize(value, torch.zeros(48).double().numpy(), args=(i,), jac=True, method="BFGS", tol=1e-9)
        torch.testing.assert_close(found[i].flatten().double(), torch.tensor(best.x), rtol=0, atol=1e-3)
        assert found[i].abs().max() > 0.05


@BOTH
def test_a_linear_loss_has_a_closed_form(optimizer):
    """c‖δ‖² + g·δ is least at −g / 2c."""
    g = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(2)) / 10
    images, labels = torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, dtype=torch.long)
    found, _ = Eq5(optimizer, c=2.0, steps=300).solve(
        images, labels, torch.zeros_like(images), lambda x, _: (x * g).flatten(1).sum(1)
    )
    torch.testing.assert_close(found, (-g / 4).expand_as(found), rtol=0, atol=1e-3)


def rosenbrock(x, index):
    """Minimum 0 at (1, …, 1), along a bent valley; each problem its own steepness."""
    steep = torch.tensor([1.0, 10.0, 100.0], dtype=x.dtype)[index]
    return steep * (x[:, 1:] - x[:, :-1] ** 2).pow(2).sum(1) + (1 - x[:, :-1]).pow(2).sum(1)


def test_lbfgs_goes_down_a_bent_valley_as_torchs_own_does():
    start = torch.zeros(3, 4, dtype=torch.double)
    found, taken = lbfgs(rosenbrock, start, steps=200, tolerance=1e-8)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-6)
    theirs = start[2:].clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([theirs], max_iter=200, history_size=10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(theirs, torch.tensor([2])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(found[2:], theirs.detach(), rtol=0, atol=1e-3)
    assert taken < 300


def test_lbfgs_solves_each_problem_as_if_alone():
    start = torch.zeros(3, 4, dtype=torch.double)
    for steps in (1, 7, 200):
        together, taken = lbfgs(rosenbrock, start, steps=steps)
        apart = [
            lbfgs(lambda x, _, i=i: rosenbrock(x, torch.tensor([i])), start[i : i + 1], steps=steps) for i in range(3)
        ]
        torch.testing.assert_close(together, torch.cat([x for x, _ in apart]), rtol=0, atol=1e-9)
        assert taken == sum(steps for _, steps in apart)


def test_lbfgs_never_climbs_and_ends_where_it_is_flat():
    start = torch.full((3, 4), 1.0)
    found, taken = lbfgs(rosenbrock, start, steps=9)
    assert found.equal(start)
    assert taken == 0
    values = [rosenbrock(lbfgs(rosenbrock, start - 2, steps=n)[0], torch.arange(3)) for n in range(12)]
    assert all((after <= before).all() for before, after in itertools.pairwise(values))


@BOTH
def test_the_answer_is_bounded_and_depends_on_no_neighbour(data, optimizer):
    model = network().eval().requires_grad_(False)
    budget = Budget(EPSILON / 4)
    made = []
    for batch in (24, 5):
        delta = torch.zeros(data.images.shape)
        solver = Eq5(optimizer, steps=8)
        taken = solver(data.images, data.labels, delta, losses_of(model), budget, batch=batch)
        assert 0 < taken <= 8 * len(data)
        made.append(delta)
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=1e-4)
    x = data.images.float() / 255
    assert made[0].abs().max() == pytest.approx(EPSILON / 4, rel=1e-4)
    assert (x + made[0]).min() >= 0
    assert (x + made[0]).max() <= 1
    assert losses_of(model)(x + made[0], data.labels).mean() < losses_of(model)(x, data.labels).mean()


@BOTH
def test_it_stands_in_algorithm_1_in_place_of_the_signed_steps(data, optimizer, tmp_path):
    method = ErrorMin.sample_wise(solver=Eq5(optimizer, steps=3), fit_steps=3, rounds=3, batch=8, stop_error=-1.0)
    noise = method.generate(data, fresh(), seed=0)
    assert noise.provenance["method"] == f"eq5-{optimizer}"
    assert len(noise.provenance["errors"]) == 3
    assert noise.form == "sample"
    assert 0 < noise.delta.abs().max() <= EPSILON + 1e-7
    assert method.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    kept = replace(method, checkpoint=tmp_path / "job.safetensors")
    assert kept.generate(data, fresh(), seed=0).delta.equal(noise.delta)


def test_settings_that_do_not_go_together():
    with pytest.raises(UsageError, match="'sgd' is unknown"):
        Eq5("sgd")
    with pytest.raises(UsageError, match="use form 'sample'"):
        ErrorMin(solver=Eq5())
    with pytest.raises(UsageError, match="eq5-adam solves one fixed problem"):
        ErrorMin.sample_wise(solver=Eq5(), view=lambda x, _: x)
