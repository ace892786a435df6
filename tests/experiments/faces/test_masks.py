"""The study of masks: its transforms, its recipe's words, and one cell on the shared photos."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import pytest
import torch

from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import masks as module
from faceshield.experiments.faces.mask_transforms import drop_patch, scale_spectrum, warp_locally
from faceshield.experiments.registry import load_experiment
from faceshield.training.runtime import Runtime


@pytest.mark.parametrize("change", [warp_locally, drop_patch, scale_spectrum])
def test_a_transform_changes_crops_by_its_seed_alone_and_has_a_gradient(change):
    crops = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    one, same, other = (change(crops, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == crops.shape
    assert one.equal(same)
    assert not one.equal(other)
    assert float((one - crops).detach().abs().mean()) > 0.01
    (gradient,) = torch.autograd.grad(one.sum(), crops)
    assert float(gradient.abs().sum()) > 0


def test_every_change_is_one_thing_and_the_recipe_names_them_all(root):
    recipe = read_recipe(root / "recipes/faces/masks.yaml")
    assert load_experiment(recipe) is module.EXPERIMENT
    assert {key["change"] for key in recipe.cells()} == set(get_args(module.Change))
    assert set(module.CHANGES) <= set(get_args(module.Change))
    assert all(len(options) <= 1 for options in module.CHANGES.values())


@pytest.mark.slow
@pytest.mark.parametrize("change", ["warps", "nearest"])
def test_a_cell_masks_and_searches(shared, tmp_path, monkeypatch, change):
    monkeypatch.setattr(module, "mask", partial(module.mask, steps=2))
    context = Context(shared, tmp_path, Runtime(torch.device("cpu"), torch.float32), lambda text: None)
    settings = {"selfies": "selfies", "photos": 2, "masked": 2, "crowd": 1000}
    metrics = module.EXPERIMENT.run({"change": change, "recogniser": "mobileface"}, 0, settings, replace(context))
    assert metrics["pairs"] == 16
    assert 0 <= metrics["pair_rank1_both"] <= 1
    assert 0.9 < metrics["ssim_face"] < 1
    assert 0 < metrics["tint_mean"] < metrics["delta_e_mean"] < 3
