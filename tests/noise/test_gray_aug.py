"""EM-GrayAug: grey noise, by the sum of the channels' signs, on what a grey network sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, fresh, network, pictures, shuffled, unfitted

from faceshield.noise.gray_aug import GrayAug, to_grey
from faceshield.noise.registry import build_method

SAMPLE = GrayAug.sample_wise(fit_steps=3, rounds=3, batch=8, steps=3, stop_error=-1.0)
CLASS = GrayAug(fit_steps=3, rounds=3, batch=8, subset=0.5, stop_error=-1.0)


@pytest.fixture(scope="module")
def data():
    return pictures()


def test_a_step_is_the_sum_of_the_channels_signs(data):
    """One step from 0, by hand; at black and white pixels fewer than three channels have a gradient."""
    model = network().eval()
    noise = replace(SAMPLE, fit_steps=0, rounds=1, steps=2).generate(data, unfitted(model), seed=0)
    clean = data.images.float() / 255
    delta = torch.zeros_like(clean)
    for _ in range(2):
        x = (clean + delta).clamp(0, 1).requires_grad_(True)
        grey = 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]
        F.cross_entropy(model(grey.repeat(1, 3, 1, 1)), data.labels, reduction="sum").backward()
        free = (clean + delta >= 0) & (clean + delta <= 1)
        signs = (x.grad * free).sign().sum(1, keepdim=True)
        delta = (delta - EPSILON / 10 * signs).clamp(-EPSILON, EPSILON)
    assert ((noise.delta - delta).abs() < 1e-6).float().mean() >= 0.999
    assert noise.delta.abs().max() == pytest.approx(6 * EPSILON / 10)


@pytest.mark.parametrize("method", [SAMPLE, CLASS], ids=["sample", "class"])
def test_noise_is_equal_in_all_channels_and_in_its_budget(data, method):
    noise = method.generate(data, fresh(), seed=0)
    assert noise.delta.abs().max() <= EPSILON + 1e-7
    torch.testing.assert_close(noise.delta, noise.delta[:, :1].expand_as(noise.delta), rtol=0, atol=1e-7)
    assert noise.provenance["method"] == "em-grayaug"
    assert method.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    assert not method.generate(data, fresh(), seed=1).delta.equal(noise.delta)


def test_theta_is_fitted_on_augmented_grey_pictures(data):
    seen = []

    def fit(x, labels):
        seen.append(x)
        return torch.zeros(len(x))

    replace(SAMPLE, rounds=1, steps=0).generate(data, replace(unfitted(network()), fit=fit), seed=0)
    grey = torch.cat(seen)
    torch.testing.assert_close(grey, to_grey(grey, torch.Generator()), rtol=0, atol=1e-6)
    as_they_are = to_grey(data.images.float() / 255, torch.Generator())
    assert (torch.cdist(grey.flatten(1), as_they_are.flatten(1)).amin(1) > 0.1).float().mean() > 0.5


def test_alpha_follows_epsilon():
    assert build_method("em-grayaug", "sample", epsilon=16 / 255).alpha == pytest.approx(3 * 1.6 / 255)
