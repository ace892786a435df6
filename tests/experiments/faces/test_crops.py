"""Whose photos carry noise, how many, and which: read off the pictures; and the recipes that vary it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import crops as experiment
from faceshield.experiments.faces.crops import EXPERIMENT, CloakedSettings, CropsKey
from faceshield.experiments.faces.crops import cloak_people as cloaked
from faceshield.experiments.registry import load_experiment
from faceshield.noise.identity import choose_class
from faceshield.noise.surrogate import load_bank
from faceshield.noise.transforms import Transforms

crops = EXPERIMENT.run


def cloaked_people(key, seed, settings, context, *made):
    """The people of a cell, from a recipe's own words."""
    own = {name: settings[name] for name in CloakedSettings.model_fields if name in settings}
    return cloaked(CropsKey(**key), seed, CloakedSettings(**own), context, *made)


PHOTOS = 25  # of which 20 are trained on
SETTINGS = {"people": "fabricated", "classes": 4, "photos": PHOTOS, "protect": 2, "steps": 2}
TRAINING = {"size": 32, "width": 4, "epochs": 1, "lr": 0.1}


@pytest.fixture
def context(context, tmp_path):
    return replace(context, shared=tmp_path / "shared")


@pytest.fixture
def made(monkeypatch):
    """Private noises that take no time, and what was asked for."""
    asked = []

    def make_private_noise(photos, bank, forward, budget, view, secret, *, steps):
        asked.append((len(photos), view, secret))
        level = 1 + len(asked) % 7
        return torch.full((3, 128, 128), level / 255), 0

    monkeypatch.setattr(experiment, "make_private_noise", make_private_noise)
    return asked


@pytest.mark.parametrize("percent", [0, 70, 90, 95, 100])
def test_a_percentage_of_the_training_photos_carries_the_noise(context, percent):
    cloaked = cloaked_people({"noise": "bank", "percent": percent}, 0, SETTINGS, context)
    changed = (cloaked.images != cloaked.people.images).flatten(1).any(1)
    assert not (changed & cloaked.held).any(), "the photos of the test stay as they are"
    counts = torch.bincount(cloaked.people.labels[changed], minlength=4).tolist()
    assert counts == [0, 0, *[round(20 * percent / 100)] * 2]
    more = cloaked_people({"noise": "bank"}, 0, SETTINGS, context)
    assert cloaked.images[changed].equal(more.images[changed]), "fewer photos, the same noise"


def test_two_noises_share_a_persons_photos(context):
    one, two = (cloaked_people({"noise": "bank", "noises": n}, 0, SETTINGS, context) for n in (1, 2))
    bank = (load_bank().delta * 255).round().int()
    for label in (2, 3):
        name = one.people.classes[label]
        first, second = (bank[choose_class(secret, len(bank))] for secret in (f"0-{name}", f"0-{name}-1"))
        mine = (two.people.labels == label) & ~two.held
        clean = two.people.images[mine].int()
        wears_first = (two.images[mine].int() == (clean + first).clamp(0, 255)).flatten(1).all(1)
        wears_second = (two.images[mine].int() == (clean + second).clamp(0, 255)).flatten(1).all(1)
        assert (int(wears_first.sum()), int(wears_second.sum())) == (10, 10)
        assert (wears_first ^ wears_second).all()
        assert one.images[mine].int().equal((clean + first).clamp(0, 255))
    assert len(two.similar) == 2 * len(one.similar) == 4


def test_photos_that_are_left_out_are_not_trained_on_and_are_tested(context):
    cloaked, whole = (cloaked_people({"noise": noise}, 0, SETTINGS, context) for noise in ("left-out", "bank"))
    assert cloaked.images.equal(cloaked.people.images)
    assert torch.bincount(cloaked.training().labels, minlength=4).tolist() == [20, 20, 0, 0]
    assert torch.bincount(whole.training().labels, minlength=4).tolist() == [20] * 4
    assert cloaked.clean().ids == whole.clean().ids
    assert not set(whole.clean().ids) & set(whole.training().ids)


@pytest.mark.parametrize(("percent", "labels"), [(1, [3]), (50, [2, 3]), (100, [0, 1, 2, 3])])
def test_a_share_of_the_people_is_protected(context, percent, labels):
    cloaked = cloaked_people({"noise": "bank", "people_percent": percent}, 0, SETTINGS, context)
    changed = (cloaked.images != cloaked.people.images).flatten(1).any(1)
    assert list(cloaked.protected) == cloaked.people.labels[changed].unique().tolist() == labels


@pytest.mark.parametrize(("person", "label"), [(1, 3), (2, 2), (4, 0)])
def test_one_person_alone_is_protected(context, person, label):
    cloaked = cloaked_people({"noise": "bank", "person": person}, 0, SETTINGS, context)
    changed = (cloaked.images != cloaked.people.images).flatten(1).any(1)
    assert list(cloaked.protected) == cloaked.people.labels[changed].unique().tolist() == [label]


@pytest.mark.slow
def test_where_all_are_protected_there_is_nobody_else(context):
    everyone = crops({"noise": "bank", "people_percent": 100}, 0, {**SETTINGS, **TRAINING}, context)
    some = crops({"noise": "bank"}, 0, {**SETTINGS, **TRAINING}, context)
    assert set(some) - set(everyone) == {"others_accuracy", "curve_others"}


@pytest.mark.slow
def test_a_private_noise_is_made_once_for_all_that_decides_it(context, made, tmp_path):
    key = {"noise": "tailored", "photos": 3}
    first = cloaked_people(key, 0, SETTINGS, context)
    assert [(count, view) for count, view, _ in made] == [(3, Transforms())] * 2
    other = replace(context, work=tmp_path / "other")
    assert cloaked_people({**key, "percent": 100}, 0, SETTINGS, other).images.equal(first.images)
    assert len(made) == 2
    cloaked_people(key, 1, SETTINGS, other)
    cloaked_people({**key, "photos": 4}, 0, SETTINGS, other)
    cloaked_people(key, 0, {**SETTINGS, "steps": 3}, other)
    cloaked_people(key, 0, SETTINGS, other, replace(Transforms(), jpeg=0.0))
    assert len(made) == 10


def test_another_bank_than_the_shipped_one_is_worn_where_it_is_given(context):
    bank = torch.arange(1.0, 4).view(3, 1, 1, 1).expand(3, 3, 128, 128) / 255
    cloaked = cloaked_people({"noise": "bank"}, 0, SETTINGS, context, None, bank)
    for label in (2, 3):
        slot = choose_class(f"0-{cloaked.people.classes[label]}", 3)
        assert cloaked.deltas[label].equal(bank[slot])
    assert len(cloaked.similar) == 2


def test_a_percentage_is_one(context):
    with pytest.raises(UsageError, match=r"fraction 1\.2 is not within 0 and 1"):
        cloaked_people({"noise": "bank", "percent": 120}, 0, SETTINGS, context)


@pytest.mark.parametrize(
    "name", [*(pytest.param(n, marks=pytest.mark.slow) for n in ("undone", "share", "two-noises")), "alone"]
)
def test_each_cell_of_the_recipes_runs(context, made, root, name):
    recipe = read_recipe(root / f"recipes/faces/{name}.yaml")
    assert load_experiment(recipe) is EXPERIMENT
    for key in recipe.cells("smoke"):
        metrics = crops(key, 0, {**recipe.at("smoke"), "epochs": 1}, context)
        assert 0 <= metrics["protected_accuracy"] <= 1
        assert metrics["training_photos"] + metrics["test_photos"] == 40
