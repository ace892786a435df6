"""The adversary stays within ε of the pictures, raises the loss, and agrees with foolbox's PGD from the same start."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from faceshield.core.budget import Budget
from faceshield.models.frozen import freeze
from faceshield.training.adversarial import Adversary

LABELS = torch.tensor([0, 1, 2, 0])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 36, 3)).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def run(adversary, network, images, labels=LABELS, seed=0):
    with freeze(network):
        return adversary(network, images, labels, torch.Generator().manual_seed(seed))


def test_the_papers_settings():
    assert (Adversary().budget.epsilon, Adversary().alpha, Adversary().steps) == (8 / 255, 2 / 255, 10)


def test_agrees_with_foolbox_from_the_same_start(network, images):
    foolbox = pytest.importorskip("foolbox", reason="foolbox (extra dev) is not installed")
    eagerpy = pytest.importorskip("eagerpy", reason="eagerpy (comes with foolbox) is not installed")
    uniform = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    start = (2 * uniform - 1) * 8 / 255

    class FromStart(foolbox.attacks.LinfPGD):
        def get_random_start(self, x0, epsilon):
            return x0 + eagerpy.astensor(start)

    wrapped = foolbox.PyTorchModel(network.requires_grad_(False), bounds=(0, 1), device="cpu")
    attack = FromStart(abs_stepsize=2 / 255, steps=10)
    theirs, _, _ = attack(wrapped, images, foolbox.criteria.Misclassification(LABELS), epsilons=8 / 255)
    torch.testing.assert_close(run(Adversary(), network, images), theirs, rtol=0, atol=2e-6)


def test_the_loss_rises_more_than_by_the_random_start(network, images):
    start, found = (
        F.cross_entropy(network(run(Adversary(Budget(0.1), alpha=0.02, steps=steps), network, images)), LABELS)
        for steps in (0, 10)
    )
    assert found > start + 0.05


@settings(max_examples=20)
@given(
    epsilon=st.floats(1e-3, 0.5), norm=st.sampled_from(["linf", "l2"]), steps=st.integers(0, 3), seed=st.integers(0, 99)
)
def test_pictures_stay_pictures_within_the_budget(epsilon, norm, steps, seed):
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    images = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    made = run(Adversary(Budget(epsilon, norm), alpha=epsilon / 2, steps=steps), network, images, seed=seed)
    length = (made - images).flatten(1).norm(dim=1, p=2 if norm == "l2" else float("inf"))
    assert made.min() >= 0
    assert made.max() <= 1
    assert length.max() <= epsilon + 1e-6
    assert not made.requires_grad


def test_the_start_is_drawn_from_the_generator_and_soft_labels_will_do(network, images):
    first, second, other = (run(Adversary(), network, images, seed=seed) for seed in (0, 0, 1))
    assert first.equal(second)
    assert not first.equal(other)
    soft = run(Adversary(), network, images, F.one_hot(LABELS, 3).float())
    torch.testing.assert_close(soft, first, rtol=0, atol=1e-6)
