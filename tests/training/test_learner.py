"""The step that noise methods are handed, against the same step written with torch alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from faceshield.core.errors import StoreError, UsageError
from faceshield.models.zoo import build
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)
LABELS = torch.arange(8) % 3


@pytest.fixture
def images():
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network(width=4):
    return build_seeded(lambda: build("resnet18", 3, width=width), 0)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_fit_is_a_step_of_sgd(images, clip):
    ours, theirs = learner(network(), RUNTIME, lr=0.05, clip=clip), RUNTIME.place(network())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        losses = ours.fit(images, LABELS)
        expected = F.cross_entropy(theirs(images), LABELS, reduction="none")
        optimizer.zero_grad()
        expected.mean().backward()
        if clip is not None:
            total = torch.cat([parameter.grad.flatten() for parameter in theirs.parameters()]).norm()
            for parameter in theirs.parameters():
                parameter.grad *= min(1.0, clip / float(total))
        optimizer.step()
        torch.testing.assert_close(losses, expected.detach(), rtol=1e-4, atol=1e-5)
        assert losses.shape == (8,)
        assert not losses.requires_grad
    for one, other in zip(ours.model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_frozen_network_is_that_of_its_moment_and_fit_leaves_the_mode(images):
    made = learner(network(), RUNTIME)
    made.fit(images, LABELS)
    assert made.model.training
    forward = made.frozen()
    assert made.model.training
    before = forward(images)
    made.model.eval()
    torch.testing.assert_close(before, made.model(images), rtol=1e-4, atol=1e-5)
    made.fit(images, LABELS)
    assert not made.model.training
    assert forward(images).equal(before)
    assert not made.frozen()(images).allclose(before)
    assert made.device == RUNTIME.device


def test_a_restored_learner_goes_on_as_if_nothing_had_happened(images):
    made = learner(network(), RUNTIME)
    made.fit(images, LABELS)
    kept = made.state()
    losses = [made.fit(images, LABELS) for _ in range(2)]
    other = learner(build_seeded(lambda: build("resnet18", 3, width=4), 9), RUNTIME)
    other.restore(kept)
    again = [other.fit(images, LABELS) for _ in range(2)]
    assert all(one.equal(two) for one, two in zip(losses, again, strict=True))
    assert all(made.state()[name].equal(value) for name, value in other.state().items())


def test_another_networks_state_and_a_rate_that_is_none():
    with pytest.raises(StoreError, match="in the stored state; take the same model"):
        learner(network(6), RUNTIME).restore(learner(network(), RUNTIME).state())
    with pytest.raises(UsageError, match="learning rate"):
        learner(network(), RUNTIME, lr=0.0)
