"""The battery on drawn faces: each kind of attacker runs, and the recipe's words are those of the table."""

from __future__ import annotations

import pytest
import torch

from faceshield.attacks.table import COUNTERMEASURES
from faceshield.core.errors import UsageError
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces.battery import EXPERIMENT
from faceshield.experiments.registry import load_experiment
from faceshield.training.runtime import Runtime

battery = EXPERIMENT.run


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), lambda text: None)


@pytest.fixture
def recipe(root):
    return read_recipe(root / "recipes/faces/battery.yaml")


def test_the_recipe_names_what_there_is(recipe):
    assert load_experiment(recipe) is EXPERIMENT
    assert {key["countermeasure"] for key in recipe.cells()} <= set(COUNTERMEASURES)
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells()), bar


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("grey", "mixup", "adversarial-training", "projection")),
        "none",
    ],
)
def test_a_collector_trains_whatever_the_countermeasure(recipe, context, name):
    key = {"noise": "bank", "attacker": "scratch", "countermeasure": name}
    metrics = battery(key, 0, recipe.at("smoke"), context)
    assert metrics["test_photos"] > 0
    assert len(metrics["curve_protected"]) == (1 if name == "adversarial-training" else 2)
    assert metrics["protected_accuracy_peak"] >= metrics["protected_accuracy"]


@pytest.mark.parametrize("attacker", ["frozen-resnet29", "probe-resnet29"])
def test_a_frozen_recogniser_knows_people_without_training(recipe, context, attacker):
    """On drawn faces noise confuses it, as photos do not: only the others are looked at there."""
    key = {"attacker": attacker, "countermeasure": "none"}
    clean, cloaked = (battery({"noise": n, **key}, 0, recipe.at("smoke"), context) for n in ("none", "bank"))
    assert clean["protected_accuracy"] > 2 * clean["chance"]
    assert cloaked["others_accuracy"] > 2 * clean["chance"]


@pytest.mark.slow
def test_a_fine_tuned_recogniser_learns_faces(recipe, context):
    key = {"noise": "none", "attacker": "fine-tuned-resnet29", "countermeasure": "none"}
    learned = battery(key, 0, recipe.at("smoke"), context)
    assert len(learned["curve_protected"]) == 2
    assert learned["others_accuracy"] > 2 * learned["chance"]
    with pytest.raises(UsageError, match="takes off no noise"):
        battery({**key, "countermeasure": "purify"}, 0, recipe.at("smoke"), context)


def test_what_cannot_be_is_refused(recipe, context):
    key = {"noise": "none", "attacker": "frozen-resnet29", "countermeasure": "mixup"}
    with pytest.raises(UsageError, match="trains no network"):
        battery(key, 0, recipe.at("smoke"), context)
    with pytest.raises(UsageError, match="attacker: 'guess' is unknown; use scratch, frozen-resnet29, probe-resnet29"):
        battery({**key, "attacker": "guess"}, 0, recipe.at("smoke"), context)
