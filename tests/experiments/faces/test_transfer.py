"""The transfer recipe: two halves that never meet, photos handled as said, and a whole cell on the shared photos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import transfer as module
from faceshield.experiments.faces.command import OPTIONS
from faceshield.experiments.registry import load_experiment
from faceshield.models.pretrained import PRETRAINED
from faceshield.training.runtime import Runtime

CLEAN = {"noise": "none", "recogniser": "resnet29", "query": "clean", "gallery": "clean", "countermeasure": "none"}
SETTINGS = {"selfies": "selfies", "photos": 2, "crowd": 3200}


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), print)


def test_the_halves_are_apart_and_do_not_depend_on_the_order(tmp_path):
    for name in "abcdefghij":
        (tmp_path / f"{name}.jpg").touch()
    drawn = [module.choose_photos(tmp_path, 4, side, seed) for seed in (0, 1) for side in module.SIDES]
    assert [len(photos) for photos in drawn] == [2] * 4
    assert len({photo for photos in drawn for photo in photos}) == 8, "sides and seeds have photos of their own"
    with pytest.raises(UsageError, match="has 10 photos, seed 2 needs 12"):
        module.choose_photos(tmp_path, 4, "query", 2)


def test_a_countermeasure_saves_once_more(put, portrait, context, tmp_path):
    files = {"p": [put(tmp_path / "cloaked-x/p/a.png", portrait)]}
    assert module._apply_countermeasure(files, "none", context) == files
    assert module._apply_countermeasure(files, "yunet", context) == files, "another detector changes no file"
    (small,) = module._apply_countermeasure(files, "half", context)["p"]
    with Image.open(small) as saved:
        assert saved.size == (portrait.shape[1] // 2, portrait.shape[0] // 2)
    (path,) = module._apply_countermeasure(files, "jpeg-30", context)["p"]
    assert {path.parents[1].name, small.parents[1].name} == {"jpeg-30-cloaked-x", "half-cloaked-x"}
    with Image.open(path) as saved:
        assert saved.format == "JPEG"
        assert 1 < np.abs(np.asarray(saved, int) - portrait).mean() < 12
    for wrong in ("blur", "jpeg", "jpeg-0"):
        with pytest.raises(UsageError, match="use none, half, yunet or jpeg-QUALITY"):
            module.EXPERIMENT.run({**CLEAN, "countermeasure": wrong}, 0, SETTINGS, context)


def test_the_recipe_names_what_there_is(root):
    recipe = read_recipe(root / "recipes/faces/transfer.yaml")
    assert load_experiment(recipe) is module.EXPERIMENT
    for key in recipe.cells():
        assert set(key) == {"noise", "recogniser", "query", "gallery", "countermeasure"}
        assert key["noise"] in ("none", "shipped", *OPTIONS)
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells()), bar


def test_a_cell_finds_clean_photos(shared, context):
    metrics = module.EXPERIMENT.run(CLEAN, 0, SETTINGS, replace(context, data=shared))
    assert metrics["queries"] == 4
    assert metrics["crowd"] == 3200
    assert metrics["rank1"] >= 0.75
    assert 0.45 < metrics["limit"] < 0.65


@pytest.mark.slow
def test_another_recogniser_searches_the_same_crowd(shared, context):
    context = replace(context, data=shared)
    metrics = module.EXPERIMENT.run({**CLEAN, "recogniser": "mobileface"}, 0, SETTINGS, context)
    assert (metrics["queries"], metrics["crowd"]) == (4, 3200)
    assert 0 < metrics["limit"] < 2


@pytest.mark.parametrize(
    ("noise", "kind", "left_out"),
    [("mask", "mask", "sface"), ("mask-16", "mask-16", "sface"), ("shipped", "mask", None)],
)
def test_masks_are_made_against_all_others_or_as_the_command_makes_them(noise, kind, left_out):
    key = module.TransferKey(**{**CLEAN, "noise": noise, "recogniser": "sface", "gallery": "cloaked"})
    command, against = module._choose_command(key)
    assert command == kind
    assert set(against) == (set(PRETRAINED) - {left_out} if left_out else set())
