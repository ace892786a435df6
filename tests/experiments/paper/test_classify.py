"""The classification experiment: cells differ by their noise only, share what they can, and tell what was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.data.sources import open_data
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.paper import network_cache as training
from faceshield.experiments.paper import noises
from faceshield.experiments.paper.classify import EXPERIMENT, ClassifySettings
from faceshield.experiments.paper.cost import EXPERIMENT as COST
from faceshield.experiments.paper.network import AUGMENT_AND_MIX, open_split
from faceshield.experiments.paper.noises import NoiseKey, load_or_make_noise
from faceshield.models.zoo import build
from faceshield.noise.presets import find_preset
from faceshield.noise.registry import LEARNER_RATE, build_method
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded, predict, train

classify = EXPERIMENT.run

cost = COST.run

ROOT = Path(__file__).resolve().parents[3] / "recipes"
RECIPES = [
    *(
        f"paper/{name}"
        for name in (
            "fig1",
            "fig9",
            "table5",
            "cost",
            "table1",
            "table2",
            "table3",
            "fig2-curves",
            "fig2-classes",
            "fig8",
            "fig6",
            "fig3-ship",
            "fig3-imagenet",
            "error-max",
        )
    ),
    "quickstart/digits",
    "methods/leaderboard",
]
SETTINGS = {
    "data": "digits", "size": 8, "limit": 12, "test_limit": 6, "width": 2, "epochs": 2, "lr": 0.1, "batch": 16,
    "generate": {"error-min class": {"rounds": 3}, "error-min sample": {"rounds": 1, "steps": 3}},
}  # fmt: skip
CLASS = {"noise": "error-min", "form": "class"}


@pytest.fixture
def generations(monkeypatch):
    """θ's learning rate for each noise that is really made."""
    made, real = [], noises.learner
    monkeypatch.setattr(noises, "learner", lambda *of, **how: made.append(how["lr"]) or real(*of, **how))
    return made


@pytest.fixture
def trained_on(monkeypatch):
    """What the cells' networks were trained on, and how."""
    seen = []
    real = training.fit_network

    def fitted(job, *of, **how):
        seen.append((job.data, job.settings))
        return real(job, *of, **how)

    monkeypatch.setattr(training, "fit_network", fitted)
    return seen


def test_clean_data_is_plain_training(context):
    """Against the training loop called here by hand."""
    metrics = classify({"noise": "none"}, 3, SETTINGS, context)
    data, test = (open_data("digits", part, 8, limit) for part, limit in (("train", 12), ("test", 6)))
    network = build_seeded(lambda: build("resnet18", 10, width=2), 3)
    train(network, data.sort(), context.runtime, epochs=2, seed=3, lr=0.1, batch=16)
    right = predict(network, test.images, context.runtime) == test.labels
    assert metrics["test_accuracy_final"] == pytest.approx(float(right.float().mean()))
    for label, share in enumerate(metrics["class_accuracy"]):
        assert share == pytest.approx(float(right[test.labels == label].float().mean()), abs=1e-4)
    assert metrics["test_accuracy_peak"] == pytest.approx(max(metrics["curve_test"]), abs=1e-4)
    assert metrics["test_accuracy_final"] == pytest.approx(metrics["curve_test"][-1], abs=1e-4)
    assert len(metrics["curve_test"]) == 2
    assert (metrics["training_pictures"], metrics["test_pictures"]) == (120, 60)
    assert "linf_255" not in metrics


@pytest.mark.parametrize("setting", [pytest.param("paper", marks=pytest.mark.slow), "released-code"])
def test_it_trains_on_the_pictures_with_their_noise(context, trained_on, setting):
    """Against Algorithm 1 called here by hand, the released code's positive half included."""
    metrics = classify({**CLASS, "setting": setting}, 5, SETTINGS, context)
    data = open_data("digits", "train", 8, 12).sort()
    surrogate = build_seeded(lambda: build("resnet18", 10, width=2), derive_seed(5, "surrogate"))
    method = build_method("error-min", "class", rounds=3, variant=setting)
    noise = method.generate(data, learner(surrogate, context.runtime, lr=LEARNER_RATE[setting]), seed=5)
    expected = unlearnable(data, noise, variant=setting)
    ((pictures, _),) = trained_on
    assert pictures.images.equal(expected.images)
    change = pictures.images.int() - data.images.int()
    assert metrics["linf_255"] == int(change.abs().max())
    assert metrics["linf_255"] <= 8
    assert (change.min() >= 0) == (setting == "released-code")
    assert (metrics["rounds"], metrics["steps_taken"]) == (3, noise.provenance["steps_taken"])
    assert metrics["error_final"] == noise.provenance["errors"][-1]


@pytest.mark.slow
def test_noise_is_made_once_for_all_that_decides_it(context, generations):
    few = {**SETTINGS, "limit": 4, "test_limit": 2, "epochs": 1}
    classify(CLASS, 0, few, context)
    for augment in ("cutout", "mixup"):
        classify({**CLASS, "augment": augment}, 0, few, context)
    classify({**CLASS, "model": "vgg11"}, 0, {**few, "size": 32, "limit": 2}, context)
    classify({**CLASS, "model": "resnet18"}, 0, {**few, "size": 32, "limit": 2}, context)
    assert len(generations) == 2
    for key, seed, changed in (
        (CLASS, 1, {}),
        ({**CLASS, "setting": "released-code"}, 0, {}),
        ({**CLASS, "form": "sample"}, 0, {}),
        (CLASS, 0, {"limit": 3}),
        (CLASS, 0, {"epsilon_255": 7}),
        (CLASS, 0, {"surrogate_width": 4}),
        (CLASS, 0, {"surrogate_lr": 0.05}),
        (CLASS, 0, {"generate": {"error-min class": {"rounds": 2}}}),
        ({"noise": "patch", "size": 4}, 0, {"generate": {"patch class": {"rounds": 1}}}),
        ({"noise": "patch", "size": 6}, 0, {"generate": {"patch class": {"rounds": 1}}}),
    ):
        before = len(generations)
        classify(key, seed, {**few, **changed}, context)
        assert len(generations) == before + 1, (key, seed, changed)
    assert generations[3] == LEARNER_RATE["released-code"]


def test_a_kept_noise_is_the_noise_that_was_made(context):
    own = ClassifySettings.model_validate(SETTINGS)
    data, test = open_split(own, "train", context).sort(), open_split(own, "test", context)
    first, again = (
        load_or_make_noise(NoiseKey(**{"noise": "random", "form": "sample"}), 0, data, test, own, context)
        for _ in range(2)
    )
    assert again.delta.equal(first.delta)
    assert (again.keys, again.form, again.budget) == (first.keys, first.form, first.budget)
    assert first.delta.equal(build_method("random", "sample").generate(data, None, seed=0).delta)


@pytest.mark.slow
def test_error_max_attacks_a_trained_network_that_is_not_the_one_it_is_tested_on(context):
    settings = {**SETTINGS, "surrogate_epochs": 3, "epochs": 1}
    for form in ("sample", "class"):
        classify({"noise": "error-max", "form": form}, 0, settings, context)
    (kept,) = context.work.glob("trained-*.safetensors")
    data = open_data("digits", "train", 8, 12).sort()
    network = build_seeded(lambda: build("resnet18", 10, width=2), derive_seed(0, "surrogate"))
    train(network, data, context.runtime, epochs=3, seed=derive_seed(0, "surrogate"), lr=0.1, batch=16)
    delta = build_method("error-max", "sample").generate(data, learner(network, context.runtime), seed=0).delta
    own = ClassifySettings.model_validate(settings)
    noise = load_or_make_noise(NoiseKey(**{"noise": "error-max", "form": "sample"}), 0, data, data, own, context)
    assert noise.delta.equal(delta)
    assert kept.is_file()


@pytest.mark.slow
def test_augmentation_by_key_and_by_setting(context, trained_on):
    for key, settings in (({}, {}), ({"augment": "cutmix"}, {}), ({}, {"augment": "none"})):
        classify({"noise": "none", **key}, 0, {**SETTINGS, **settings}, context)
    assert [own.augment for _, own in trained_on] == ["standard", "cutmix", "none"]
    with pytest.raises(UsageError, match=r"augment: 'cutmax' is unknown.*did you mean 'cutmix'"):
        classify({"noise": "none", "augment": "cutmax"}, 0, SETTINGS, context)


def test_every_augmentation_keeps_shape_and_kind():
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for change, _ in AUGMENT_AND_MIX.values():
        out = change(images, torch.Generator().manual_seed(0))
        assert (out.shape, out.dtype) == (images.shape, images.dtype)
    assert AUGMENT_AND_MIX["none"][0](images, torch.Generator()).equal(images)


def test_presets():
    assert find_preset("paper", "error-min", "sample", 0.1) == {}
    assert find_preset("fast", "error-min", "class", 0.1) == find_preset("released-code", "random", "class", 0.1) == {}
    fast = find_preset("fast", "error-min", "sample", 0.1)
    assert fast["steps"] * fast["alpha"] >= 0.1, "a pass must be able to cross ε"
    assert find_preset("released-code", "error-min", "sample", 0.1) == {"variant": "released-code"}
    with pytest.raises(UsageError, match=r"setting 'papers' is unknown.*did you mean 'paper'"):
        find_preset("papers", "error-min", "sample", 0.1)


@pytest.mark.slow
def test_the_cost_is_measured_and_never_read_from_a_cache(context, generations):
    for _ in range(2):
        metrics = cost(CLASS, 0, SETTINGS, context)
        share = metrics["seconds_noise"] / metrics["seconds_train"]
        assert metrics["cost_share"] == pytest.approx(share, rel=1e-3)
        assert metrics["cost_share_60_epochs"] == pytest.approx(metrics["cost_share"] * 2 / 60)
    assert len(generations) == 2


def test_a_cell_is_run_again_where_its_data_changed(context, put):
    put(context.data / "own/cat/0.png", np.zeros((8, 8, 3), np.uint8))
    settings = {**SETTINGS, "data": "own"}
    first = EXPERIMENT.fingerprint({"noise": "none"}, settings, context)
    put(context.data / "own/cat/1.png", np.zeros((8, 8, 3), np.uint8))
    assert EXPERIMENT.fingerprint({"noise": "none"}, settings, context) != first
    assert EXPERIMENT.fingerprint({"noise": "none"}, SETTINGS, context) == "digits"
    assert EXPERIMENT.fingerprint({"noise": "none"}, {**SETTINGS, "data": "nowhere"}, context) == "nowhere", (
        "what is absent can be planned"
    )
    with pytest.raises(UsageError, match="give the folder that holds 'nowhere'"):
        classify({"noise": "none"}, 0, {**SETTINGS, "data": "nowhere"}, context)


def test_another_data_set_stands_in_where_it_is_asked_for_and_is_named(context, put):
    put(context.data / "own/cat/0.png", np.zeros((8, 8, 3), np.uint8))
    standing = replace(context, instead={"absent": "own"})
    settings = {**SETTINGS, "data": "absent"}
    assert EXPERIMENT.fingerprint({"noise": "none"}, settings, standing) == EXPERIMENT.fingerprint(
        {"noise": "none"}, {**SETTINGS, "data": "own"}, context
    )
    assert standing.source("absent") == context.data / "own"


@pytest.mark.parametrize("name", RECIPES)
def test_each_expectation_is_about_cells_that_are_run(name):
    recipe = read_recipe(ROOT / f"{name}.yaml")
    cells = [key for scale in recipe.scales for key in recipe.cells(scale)]
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in cells), bar
        assert bar.near is None or any(bar.near.key.items() <= key.items() for key in cells), bar


def noise_form(key):
    return noises.NoiseKey(**{name: key[name] for name in ("noise", "form") if name in key}).noise_form()


@pytest.mark.parametrize("name", RECIPES)
def test_each_setting_of_a_noise_is_used_and_known(name):
    """A misspelt "error-min class" would be passed over in silence."""
    recipe = read_recipe(ROOT / f"{name}.yaml")
    used = {f"{key['noise']} {noise_form(key)}" for key in recipe.cells()}
    for scale in recipe.scales:
        for entry, own in recipe.at(scale).get("generate", {}).items():
            assert entry in used, entry
            method, form = entry.split()
            build_method(method, form, **own, **({"patch": [8, 8]} if method == "patch" else {}))
