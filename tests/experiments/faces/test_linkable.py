"""The noise as a mark, on drawn faces, and on noise that is far too loud to be missed."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import crops
from faceshield.experiments.faces import linkable as experiment
from faceshield.experiments.faces.linkable import EXPERIMENT
from faceshield.experiments.registry import load_experiment

linkable = EXPERIMENT.run

SETTINGS = {"people": "fabricated", "classes": 8, "photos": 15, "protect": 6, "averaged": 4, "steps": 2}


@pytest.fixture
def loud(monkeypatch):
    """Private noises four times as strong as they may be, none like another."""

    def make_private_noise(photos, bank, forward, budget, view, secret, *, steps):
        generator = torch.Generator().manual_seed(sum(secret.encode()))
        return (torch.rand(3, 128, 128, generator=generator) - 0.5) * 8 * budget.epsilon, 0

    monkeypatch.setattr(crops, "make_private_noise", make_private_noise)


@pytest.mark.slow
@pytest.mark.parametrize(
    "residual",
    ["high-pass", "wiener", "chroma"],
)
def test_loud_noise_is_found_out(context, loud, residual):
    key = {"noise": "tailored", "residual": residual}
    metrics = linkable(key, 0, SETTINGS, context)
    assert (metrics["users"], metrics["photos"]) == (6, 72)
    assert metrics["auc"] > 0.9
    assert metrics["auc_averaged"] > 0.9
    assert metrics["auc_cloaked"] > 0.9
    assert metrics["noise_correlation"] > 0.5


def test_without_noise_only_the_faces_link(context):
    metrics = linkable({"noise": "none", "residual": "high-pass"}, 0, SETTINGS, context)
    assert set(metrics) == {"auc", "auc_averaged", "users", "photos"}


def test_the_classifier_never_sees_a_test_user_nor_a_photo_both_ways(context, monkeypatch):
    seen = []

    def told_apart(features, cloaked, known):
        seen.append((features, cloaked, known))
        return real(features, cloaked, known)

    real = experiment.detectability_roc
    monkeypatch.setattr(experiment, "detectability_roc", told_apart)
    linkable({"noise": "bank", "residual": "chroma"}, 0, SETTINGS, context)
    ((features, cloaked, known),) = seen
    assert len(features) == len(cloaked) == 72
    assert int(cloaked.sum()) == 36
    assert known.tolist() == [True] * 36 + [False] * 36, "the photos lie person by person"


@pytest.mark.slow
def test_the_recipe_runs_and_its_words_are_known(context, root):
    recipe = read_recipe(root / "recipes/faces/linkable.yaml")
    assert load_experiment(recipe) is EXPERIMENT
    for key in recipe.cells():
        if key["residual"] == "chroma":
            assert 0 <= linkable(key, 0, recipe.at("smoke"), context)["auc"] <= 1
    with pytest.raises(UsageError, match=r"residual: 'croma' is unknown; use .*; did you mean 'chroma'"):
        linkable({"noise": "none", "residual": "croma"}, 0, recipe.at("smoke"), context)
