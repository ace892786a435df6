"""The search recipe: two halves that never meet, photos handled as said, and a whole cell on the shared photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.experiments import search as module
from faceshield.experiments.command import OPTIONS
from faceshield.experiments.recipe import read_recipe
from faceshield.experiments.registry import experiment_of
from faceshield.experiments.run import Context
from faceshield.training.runtime import Runtime


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), print)


def test_the_halves_are_apart_and_do_not_depend_on_the_order(tmp_path):
    for name in "abcdef":
        (tmp_path / f"{name}.jpg").touch()
    query, gallery = (module._photos(tmp_path, 4, side) for side in module.SIDES)
    assert len(query) == len(gallery) == 2
    assert not set(query) & set(gallery)
    with pytest.raises(UsageError, match="has 6 photos, 8 are needed"):
        module._photos(tmp_path, 8, "query")


def test_a_countermeasure_saves_once_more(put, portrait, context, tmp_path):
    files = {"p": [put(tmp_path / "a.png", portrait)]}
    assert module._handled(files, "x", "none", context) == files
    (path,) = module._handled(files, "x", "jpeg-30", context)["p"]
    with Image.open(path) as saved:
        assert saved.format == "JPEG"
        assert 1 < np.abs(np.asarray(saved, int) - portrait).mean() < 12
    with pytest.raises(UsageError, match="use none or jpeg-QUALITY"):
        module._handled(files, "x", "blur", context)


def test_the_recipe_names_what_there_is(root):
    recipe = read_recipe(root / "recipes/faces/search.yaml")
    assert experiment_of(recipe).cell is module.search_cell
    for key in recipe.cells():
        assert set(key) == {"noise", "query", "gallery", "countermeasure"}
        assert key["noise"] in ("none", *OPTIONS)
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells()), bar


def test_a_cell_finds_clean_photos(shared, context):
    from dataclasses import replace

    key = {"noise": "none", "query": "clean", "gallery": "clean", "countermeasure": "none"}
    settings = {"selfies": "selfies", "photos": 2, "crowd": 3200}
    metrics = module.search_cell(key, 0, settings, replace(context, data=shared))
    assert metrics["queries"] == 4
    assert metrics["crowd"] == 3200
    assert metrics["rank1"] >= 0.75
    assert 0.45 < metrics["limit"] < 0.65
