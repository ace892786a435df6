"""The collector who handles photos in many ways, and the views that the recipe compares."""

from __future__ import annotations

import pytest
import torch

from faceshield.attacks.table import COUNTERMEASURES
from faceshield.core.errors import UsageError
from faceshield.data.canvas import crop_canvas
from faceshield.data.synthetic import synthesize_people
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import ablation as experiment
from faceshield.experiments.faces import crops
from faceshield.experiments.faces.ablation import EXPERIMENT, VIEWS, WAYS
from faceshield.experiments.registry import load_experiment
from faceshield.noise.transforms import Transforms

ablation = EXPERIMENT.run


@pytest.fixture
def recipe(root):
    return read_recipe(root / "recipes/faces/ablation.yaml")


def test_every_photo_is_handled_in_one_way_and_all_ways_occur():
    data = synthesize_people(2, 30, seed=3)
    out = experiment._handle(data, 40)
    assert out.ids == data.ids
    fits = torch.stack(
        [(out.images == crop_canvas(COUNTERMEASURES[way].apply(data.images), 40)).flatten(1).all(1) for way in WAYS]
    )
    assert fits.sum(0).tolist() == [1] * 60
    assert (fits.sum(1) > 3).all()
    few = torch.arange(60) % 7 < 2
    assert experiment._handle(data.select(few), 40).images.equal(out.images[few]), "by its id alone"


def test_the_views_differ_in_what_their_names_say():
    assert VIEWS["present"] == Transforms()
    assert len(set(map(repr, VIEWS.values()))) == len(VIEWS)
    images = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    out = VIEWS["without-grey"](images, torch.Generator().manual_seed(0))
    assert not any((picture[0] - picture[1]).abs().max() < 1e-4 for picture in out)
    grey = [VIEWS["present"](images, torch.Generator().manual_seed(seed)) for seed in range(12)]
    lost = torch.cat([(out[:, 0] - out[:, 1]).abs().flatten(1).max(1).values < 0.2 for out in grey]).float().mean()
    assert 0.3 < lost < 0.7


@pytest.mark.slow
def test_a_cell_makes_its_noise_under_its_own_views(context, recipe, monkeypatch):
    seen = []

    def make_private_noise(photos, bank, forward, budget, view, secret, *, steps):
        seen.append(view)
        return torch.zeros(3, 128, 128), 0

    monkeypatch.setattr(crops, "make_private_noise", make_private_noise)
    settings = recipe.at("smoke")
    for key in recipe.cells():
        metrics = ablation(key, 0, settings, context)
        assert {f"protected_accuracy_{way}" for way in WAYS} < set(metrics)
    assert seen == [view for key in recipe.cells() for view in [VIEWS[key["views"]]] * settings["protect"]]


def test_its_words_are_known(context, recipe):
    assert load_experiment(recipe) is EXPERIMENT
    assert [key["views"] for key in recipe.cells()] == list(VIEWS)
    with pytest.raises(UsageError, match=r"views: 'with-bands' is unknown; use .*; did you mean 'with-band'"):
        ablation({"noise": "tailored", "views": "with-bands"}, 0, recipe.at("smoke"), context)
