"""Our own small recognisers: what comes with the tool tells people apart, and what is made is what was trained."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from faceshield.core.errors import StoreError
from faceshield.data.synthetic import synthesize_people
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces.recognisers import EXPERIMENT
from faceshield.models import recognisers
from faceshield.models.recognisers import RECOGNISERS, build_recogniser, load_recognisers
from faceshield.models.resnet import resnet18
from faceshield.models.weights import load
from faceshield.noise.transforms import PlainCrop
from faceshield.training.runtime import Runtime


def test_those_that_ship_are_frozen_and_give_unit_features_that_pass_gradients():
    shipped = load_recognisers()
    assert [own.size for own in shipped] == [64, 80, 96]
    for own in shipped:
        assert not own.training
        assert not any(parameter.requires_grad for parameter in own.parameters())
        crops = torch.rand(2, 3, own.size, own.size, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
        features = own(crops)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
        torch.testing.assert_close(own.strangers.norm(dim=1), torch.ones(100), rtol=0, atol=1e-3)
        (gradient,) = torch.autograd.grad(features[:, 0].sum(), crops)
        assert float(gradient.abs().max()) > 0


def test_drawn_people_whom_none_of_them_saw_are_told_apart():
    people = synthesize_people(5, 6, seed=3)
    for own in load_recognisers():
        features = own(PlainCrop(size=own.size)(people.images.float() / 255, torch.Generator()))
        near = torch.cdist(features, features).fill_diagonal_(9).argmin(1)
        assert (people.labels[near] == people.labels).float().mean() > 0.5  # by chance 0.17


def test_means_and_centre_are_of_the_training_pictures():
    data = synthesize_people(3, 4, seed=1)
    crops = PlainCrop(size=64)(data.images.float() / 255, torch.Generator()).mul(255).byte()
    network = resnet18(3, width=4, stem="stride2").eval()
    own = build_recogniser(network, 64, crops, data.labels)
    features = network.features(crops.float() / 255)
    unit = F.normalize(features - features.mean(0), dim=1)
    torch.testing.assert_close(own(crops.float() / 255), unit, rtol=0, atol=1e-5)
    torch.testing.assert_close(own.strangers[1], F.normalize(unit[data.labels == 1].mean(0), dim=0), rtol=0, atol=1e-5)


def test_the_recipe_keeps_what_it_trained(root, tmp_path):
    context = Context(tmp_path, tmp_path, Runtime(torch.device("cpu"), torch.float32), lambda text: None)
    recipe = read_recipe(root / "recipes/faces/recognisers.yaml")
    told = EXPERIMENT.run({"size": 64}, 0, recipe.at("smoke"), context)
    assert told["identities"] == 4
    assert 0 <= told["test_accuracy_final"] <= 1
    assert (tmp_path / told["file"]).is_file()


@pytest.mark.parametrize("missing", ["0.centre", "1.strangers", "2.network.head.weight"])
def test_another_file_is_refused(monkeypatch, missing):
    tensors, fields = load(RECOGNISERS)
    tensors = {name: tensor for name, tensor in tensors.items() if name != missing}
    monkeypatch.setattr(recognisers, "load", lambda name: (tensors, fields))
    with pytest.raises(StoreError, match="recognisers_rn18: do not fit"):
        load_recognisers()
