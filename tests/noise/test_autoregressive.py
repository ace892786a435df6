"""AR: each value is what the class's rule makes of its neighbours, by plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, pictures, shuffled

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.noise.autoregressive import Autoregressive


def residual(plane, rule):
    """How far each value is from the sum of its neighbours, weighed: rows above from left to right, then its own."""
    plane = np.asarray(plane, np.float64)
    height, width = plane.shape
    left = np.zeros((height - 2, width - 2))
    for y in range(2, height):
        for x in range(2, width):
            window = plane[y - 2 : y + 1, x - 2 : x + 1].ravel()[:8]
            left[y - 2, x - 2] = plane[y, x] - (window * np.asarray(rule)).sum()
    return np.abs(left)


@pytest.mark.parametrize("form", ["class", "sample"])
def test_noise_follows_its_classs_rule_and_no_others(form):
    data = pictures(size=12)
    noise = Autoregressive(form).generate(data, seed=0)
    rules = noise.provenance["coefficients"]
    labels = data.sort().labels.tolist() if form == "sample" else [0, 1, 2]
    for number in range(3):
        for channel in range(3):
            plane = noise.delta[number, channel]
            whole = (
                F.max_pool2d((plane.abs() > 0.9999 * EPSILON).float()[None], 3, 1)[0].numpy() == 0
            )  # nothing was cut
            assert whole.mean() > 0.3
            own = residual(plane, rules[labels[number]][channel])[whole]
            assert own.max() < 1e-5 * EPSILON
            other = residual(plane, rules[(labels[number] + 1) % 3][channel])[whole]
            assert other.mean() > 0.05 * float(plane.square().mean().sqrt())


def test_rules_sum_to_one_and_channels_have_their_share_of_the_budget():
    data = pictures(size=12)
    noise = Autoregressive(budget=Budget(4 / 255)).generate(data, seed=0)
    np.testing.assert_allclose(np.sum(noise.provenance["coefficients"], 2), 1)
    assert noise.delta.abs().max() <= 4 / 255 + 1e-7
    size = noise.delta.square().mean((2, 3)).sqrt() / (4 / 255)
    assert size.max() <= 0.575 + 1e-6
    assert size.min() > 0.4  # less than the share by what was cut


def test_an_examples_start_is_its_own():
    data = pictures(size=10)
    noise = Autoregressive().generate(shuffled(data), seed=0)
    assert Autoregressive().generate(data, seed=0).delta.equal(noise.delta)
    assert len(noise.delta.unique(dim=0)) == len(data)
    part = Autoregressive().generate(data.select(torch.arange(len(data)) % 2 == 0), seed=0)
    torch.testing.assert_close(part.delta, noise.for_batch(part.keys))
    assert not Autoregressive().generate(data, seed=1).delta.equal(noise.delta)


def test_what_cannot_be_asked_for():
    with pytest.raises(UsageError, match="margin 1 must be 2 at least"):
        Autoregressive(margin=1)
    with pytest.raises(UsageError, match="use 'linf'"):
        Autoregressive(budget=Budget(1.0, "l2"))
