"""Learning rates against torch's own schedules, at every step of runs of every length."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from faceshield.core.errors import UsageError
from faceshield.training.optim import rate, set_rate, sgd

RATES = st.floats(1e-4, 10)


def curve(make, lr, steps):
    """(rate, momentum) before each step of a torch schedule."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    schedule: LRScheduler = make(optimizer)
    values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no optimiser step between two of the schedule's
        for _ in range(steps):
            group = optimizer.param_groups[0]
            values.append((group["lr"], group["momentum"]))
            schedule.step()
    return values


def ours(schedule, lr, steps, **more):
    return [rate(schedule, step, steps, lr=lr, **more) for step in range(steps)]


@given(lr=RATES, steps=st.integers(1, 60).filter(lambda steps: steps != 5))
def test_one_cycle_is_torchs_to_the_last_bit(lr, steps):
    assert ours("one-cycle", lr, steps) == curve(
        lambda o: OneCycleLR(o, lr, total_steps=steps, pct_start=0.2), lr, steps
    )


def test_one_cycle_in_five_steps_for_which_torch_divides_by_zero():
    rates = [value for value, _ in ours("one-cycle", 0.1, 5)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)


@given(lr=RATES, steps=st.integers(1, 60))
def test_cosine(lr, steps):
    values, momentum = zip(*ours("cosine", lr, steps), strict=True)
    reference, _ = zip(*curve(lambda o: CosineAnnealingLR(o, steps), lr, steps), strict=True)
    assert values == pytest.approx(reference, rel=1e-9, abs=1e-12)
    assert set(momentum) == {0.9}


@given(lr=RATES, milestones=st.sets(st.integers(1, 30), max_size=4))
def test_steps(lr, milestones):
    values = ours("steps", lr, 32, milestones=sorted(milestones))
    reference = curve(lambda o: MultiStepLR(o, sorted(milestones)), lr, 32)
    assert values == [pytest.approx(each) for each in reference]


def test_set_rate_reaches_the_next_step():
    model = nn.Linear(1, 1, bias=False)
    optimizer = sgd(model, lr=1.0, weight_decay=0.0)
    before = float(model.weight.detach())
    set_rate(optimizer, (0.25, 0.5))
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
    assert float(model.weight.detach()) == pytest.approx(before - 0.25 * (1 + 1.5))


def test_what_is_no_rate_no_decay_and_no_schedule():
    model = nn.Linear(1, 1)
    for lr in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=f"learning rate {lr} must be a positive number"):
            sgd(model, lr=lr)
    with pytest.raises(UsageError, match=r"weight decay -0\.1 must be 0 or more"):
        sgd(model, lr=0.1, weight_decay=-0.1)
    with pytest.raises(UsageError, match="schedule 'linear' is unknown; use one-cycle, cosine, steps"):
        rate("linear", 0, 10, lr=0.1)
