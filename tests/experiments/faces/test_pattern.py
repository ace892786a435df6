"""What an identity noise should look like: each cell's bank is what its key says, is made once, and is what is worn."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.core.store import read_tensors
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import pattern as experiment
from faceshield.experiments.faces.ablation import WAYS
from faceshield.experiments.faces.pattern import EXPERIMENT
from faceshield.experiments.registry import load_experiment
from faceshield.noise.band import keep_pattern

pattern = EXPERIMENT.run
BAND = {"noise": "bank", "shortest": 13, "longest": 40}


@pytest.fixture
def recipe(root):
    return read_recipe(root / "recipes/faces/pattern.yaml")


@pytest.fixture
def settings(recipe):
    return {**recipe.at("smoke"), "epochs": 1}


@pytest.fixture
def made(monkeypatch):
    """The epsilon of each bank that is made."""
    asked, make = list[float](), experiment.make_bank

    def make_bank(*given):
        asked.append(given[5].epsilon)
        return make(*given)

    monkeypatch.setattr(experiment, "make_bank", make_bank)
    return asked


def read_banks(context):
    return [read_tensors(path)[0]["delta"] for path in context.work.glob("bank-*.safetensors")]


def test_two_cells_of_one_bank_make_it_once(settings, context, made):
    first = pattern(BAND, 0, settings, context)
    other = pattern({**BAND, "epsilon_255": 8}, 1, {**settings, "lr": 0.05}, context)
    assert made == [pytest.approx(8 / 255)]
    assert first["bank_error"] == other["bank_error"]
    pattern({**BAND, "epsilon_255": 4}, 0, settings, context)
    pattern(BAND, 0, {**settings, "bank": {**settings["bank"], "fit_steps": 1}}, context)
    assert made[1:] == [pytest.approx(4 / 255), pytest.approx(8 / 255)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"shortest": 5, "longest": 10}, {"shortest": 40, "longest": 128}, {"epsilon_255": 4}, {"channels": "free"}],
)
def test_a_bank_is_what_its_key_says_and_people_wear_it(settings, context, changes):
    key = {**BAND, **changes}
    metrics = pattern(key, 0, settings, context)
    (delta,) = read_banks(context)
    epsilon = key.get("epsilon_255", 8)
    assert 255 * float(delta.abs().max()) == pytest.approx(epsilon, rel=1e-4)
    coloured = not delta[:, 0].equal(delta[:, 1])
    assert coloured == (key.get("channels") == "free")
    inside = keep_pattern(delta, key["shortest"], key["longest"])
    assert float((delta - inside).pow(2).mean()) < 0.2 * float(delta.pow(2).mean()), "but for what the bound cuts off"
    assert metrics["linf_255"] == epsilon
    assert 0 < metrics["tint_mean"] < metrics["delta_e_mean"] < metrics["delta_e_p95"]
    assert 0.5 < metrics["ssim_face"] < 1
    assert metrics["bank_rms_255"] == pytest.approx(255 * float(delta.pow(2).mean().sqrt()))


def test_a_bank_without_views_is_another(settings, context):
    pattern(BAND, 0, settings, context)
    pattern({**BAND, "views": "none"}, 0, settings, context)
    one, other = read_banks(context)
    assert not torch.equal(one, other)


def test_without_noise_no_bank_is_made(settings, context, made):
    metrics = pattern({"noise": "none"}, 0, settings, context)
    assert made == []
    assert {f"protected_accuracy_{way}" for way in WAYS} < set(metrics)
    assert "delta_e_mean" not in metrics


def test_the_recipe_names_what_there_is(recipe):
    assert load_experiment(recipe) is EXPERIMENT


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ({"noise": "bank"}, "needs the wavelengths shortest and longest"),
        ({"noise": "bank", "shortest": 13}, "needs the wavelengths shortest and longest"),
        ({**BAND, "longest": 10}, "the band 13 to 10 is empty"),
        ({**BAND, "shortest": 1}, "the band 1 to 40 is empty"),
        ({**BAND, "channels": "equals"}, "channels: 'equals' is unknown; use free, equal; did you mean 'equal'"),
    ],
)
def test_a_bank_needs_a_band(settings, context, key, told):
    with pytest.raises(UsageError, match=told):
        pattern(key, 0, settings, context)
