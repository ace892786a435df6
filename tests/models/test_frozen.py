"""A frozen network: put back as it was, or copied with its batch norms folded, with the same values and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from faceshield.core.ranks import ALONE
from faceshield.models.frozen import fold_batch_norm, freeze
from faceshield.models.zoo import NETWORKS, build
from faceshield.training.parallel import share_batches


def lived_in(model):
    """``model`` with batch norms as after some training."""
    rng = torch.Generator().manual_seed(1)
    for norm in norms(model):
        for tensor in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
    return model.eval()


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def left(model):
    """The batch norms that a folded network still goes through."""
    called = [model.get_submodule(node.target) for node in model.graph.nodes if node.op == "call_module"]
    return [module for module in called if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def outcome(model, images):
    asked = images.clone().requires_grad_(True)
    out = model(asked)
    return out.detach(), torch.autograd.grad(out.square().sum(), asked)[0]


@pytest.fixture
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_has_the_same_values_and_gradients(images, name):
    model = lived_in(build(name, 5, width=4)).double()
    still = fold_batch_norm(model)
    for ours, theirs in zip(outcome(still, images.double()), outcome(model, images.double()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in still.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert len(left(still)) == (62 if name == "densenet121" else 0), "DenseNet has norms that no convolution feeds"


def test_what_becomes_of_the_network_leaves_its_copy_alone(images):
    model = lived_in(build("resnet18", 5, width=4)).train()
    still = fold_batch_norm(model)
    before = still(images)
    assert model.training
    with torch.no_grad():
        model(images)
        for parameter in model.parameters():
            parameter.add_(1)
    assert still(images).equal(before)


def test_several_processes_norms_are_folded_too(images):
    model = lived_in(build("resnet18", 5, width=4))
    expected = model(images)
    share_batches(model, ALONE)
    still = fold_batch_norm(model)
    assert left(still) == []
    torch.testing.assert_close(still(images), expected, rtol=1e-4, atol=1e-5)


class Twice(nn.Module):
    """A convolution whose output is used beside its norm's."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        out = self.conv(x)
        return (out + self.norm(out)).mean((2, 3))


class Branching(Twice):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


@pytest.mark.parametrize("kind", [Twice, Branching])
def test_what_cannot_be_folded_is_copied(images, kind):
    model = lived_in(kind())
    still = fold_batch_norm(model)
    assert len(norms(still)) == 1
    assert still(images).equal(copy.deepcopy(model)(images))
    assert not any(parameter.requires_grad for parameter in still.parameters())


def test_a_frozen_network_is_put_back():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)).train()
    model[0].weight.requires_grad_(False)
    with freeze(model):
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, *[True] * 5]
