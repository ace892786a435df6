"""A mixed surrogate: what the recipe keeps is what it trained, and loads as the tool loads it."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.store import read_tensors
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces.surrogates import EXPERIMENT
from faceshield.models.resnet import resnet18
from faceshield.training.runtime import Runtime

surrogate = EXPERIMENT.run


def made(root, folder, steps, wearers=0.5):
    context = Context(folder, folder, Runtime(torch.device("cpu"), torch.float32), lambda text: None)
    settings = {**read_recipe(root / "recipes/faces/surrogates.yaml").at("smoke"), "steps": steps, "lr": 0.02}
    told = surrogate({"wearers": wearers}, 0, settings, context)
    return told, *read_tensors(folder / told["file"])


def test_the_recipe_keeps_what_it_trained(root, tmp_path):
    told, state, fields = made(root, tmp_path, 2)
    assert told["identities"] == fields["classes"] == 4
    network = resnet18(4, width=fields["width"], stem="stride2")
    network.load_state_dict(state)
    assert int(network.state_dict()["stem.1.num_batches_tracked"]) == 2


@pytest.mark.slow
def test_it_learns_whose_noise_it_sees(root, tmp_path):
    assert made(root, tmp_path, 100)[0]["train_loss_worn"] < 1.2  # knowing nothing, log 4 = 1.39
