"""Partly unlearnable data: which pictures carry noise, which the collector gets, and what recipes share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.data.exposure import Exposure
from faceshield.data.sources import open_data
from faceshield.experiments.paper import network_cache as training
from faceshield.experiments.paper.classify import EXPERIMENT, ClassifyKey, ClassifySettings, ExposedKey
from faceshield.experiments.paper.network import Training
from faceshield.experiments.paper.network_cache import train_once

classify = EXPERIMENT.run

SETTINGS = {
    "data": "digits", "size": 8, "limit": 10, "test_limit": 6, "width": 2, "epochs": 2, "lr": 0.1, "batch": 16,
    "generate": {"error-min class": {"rounds": 2}, "error-min sample": {"rounds": 1, "steps": 3}},
}  # fmt: skip
CLASS = {"noise": "error-min", "form": "class"}


@pytest.fixture
def context(context, tmp_path):
    return replace(context, shared=tmp_path / "shared")


@pytest.fixture
def trained_on(monkeypatch):
    """What networks were really trained on."""
    seen, real = [], training.fit_network
    monkeypatch.setattr(training, "fit_network", lambda job, *of, **how: seen.append(job.data) or real(job, *of, **how))
    return seen


def clean():
    return open_data("digits", "train", 8, 10).sort()


@pytest.mark.parametrize("percent", [*(pytest.param(n, marks=pytest.mark.slow) for n in (0, 20, 100)), 80])
def test_a_percentage_of_each_class_carries_noise(context, trained_on, percent):
    classify({**CLASS, "percent": percent}, 3, SETTINGS, context)
    (pictures,) = trained_on
    changed = (pictures.images != clean().images).flatten(1).any(1)
    assert changed.equal(Exposure(fraction=percent / 100, seed=3).mask(clean()))
    assert torch.bincount(clean().labels[changed], minlength=10).tolist() == [percent // 10] * 10


@pytest.mark.slow
def test_the_clean_and_the_unlearnable_part_are_the_two_halves_of_both(context, trained_on):
    for word in ("both", "clean", "unlearnable"):
        classify({**CLASS, "percent": 80, "trained_on": word}, 3, SETTINGS, context)
    both, clean_part, unlearnable_part = trained_on
    assert set(clean_part.ids).isdisjoint(unlearnable_part.ids)
    assert sorted(clean_part.ids + unlearnable_part.ids) == list(both.ids)
    assert (len(clean_part), len(unlearnable_part)) == (20, 80)
    assert clean_part.images.equal(clean().images[torch.tensor([i in clean_part.ids for i in both.ids])])
    with pytest.raises(UsageError, match=r"trained_on: 'cleen' is unknown.*did you mean 'clean'"):
        classify({**CLASS, "percent": 80, "trained_on": "cleen"}, 3, SETTINGS, context)


def test_single_classes_and_who_is_taken_for_whom(context, trained_on):
    metrics = classify({**CLASS, "protected": "3+7"}, 0, SETTINGS, context)
    (pictures,) = trained_on
    changed = (pictures.images != clean().images).flatten(1).any(1)
    assert changed.equal((clean().labels == 3) | (clean().labels == 7))
    table = torch.tensor(metrics["confusion"], dtype=torch.float64)
    assert table.sum(1).tolist() == [6] * 10
    assert metrics["classes"] == list("0123456789")
    rates = table.diag() / 6
    assert metrics["class_accuracy"] == pytest.approx(rates.tolist(), abs=1e-4)
    assert metrics["protected_accuracy"] == pytest.approx(float(rates[[3, 7]].mean()))
    assert metrics["others_accuracy"] == pytest.approx(float(rates[[0, 1, 2, 4, 5, 6, 8, 9]].mean()))
    with pytest.raises(UsageError, match="class 'bird' is not in the data"):
        classify({**CLASS, "protected": "bird"}, 0, SETTINGS, context)


def test_nothing_said_is_all_protected():
    assert ExposedKey().mask(clean(), 0).all()


@pytest.mark.slow
def test_recipes_share_noise_and_networks(context, trained_on, tmp_path):
    other = replace(context, work=tmp_path / "other")
    first = classify(CLASS, 0, SETTINGS, context)
    again = classify(
        {**CLASS, "percent": 100, "trained_on": "both", "set": "a"}, 0, {**SETTINGS, "sets": {"a": {}}}, other
    )
    assert again == first, "seconds included: they are the first one's"
    assert len(trained_on) == 1
    assert not list((tmp_path / "other").glob("*.safetensors"))
    for changed in ({"epochs": 1}, {"lr": 0.05}, {"augment": "none"}, {"width": 4}, {"adversary": {"steps": 1}}):
        before = len(trained_on)
        classify({"noise": "none"}, 0, {**SETTINGS, **changed}, other)
        assert len(trained_on) == before + 1, changed


@pytest.mark.slow
def test_what_lies_in_the_recipes_own_folder_is_used(context, tmp_path):
    alone = replace(context, shared=None)
    classify(CLASS, 0, SETTINGS, alone)
    files = sorted(path.name for path in alone.work.iterdir())
    classify(CLASS, 0, SETTINGS, context)
    assert not context.shared.exists()
    assert sorted(path.name for path in context.work.iterdir()) == files


def test_a_kept_network_is_the_network(context):
    job = Training(clean(), open_data("digits", "test", 8, 6), ClassifySettings.model_validate(SETTINGS), 0)
    first, again = (train_once(job, context) for _ in range(2))
    assert again.history == first.history
    assert again.history.seconds == first.history.seconds > 0
    assert not again.model.training
    for name, value in first.model.state_dict().items():
        assert again.model.state_dict()[name].equal(value), name


def test_curves_by_class_average_to_the_curve(context):
    made = train_once(
        Training(clean(), open_data("digits", "test", 8, 6), ClassifySettings.model_validate(SETTINGS), 0), context
    )
    assert len(made.history.class_curves) == 10
    for epoch, share in enumerate(made.history.test_accuracy):
        assert sum(curve[epoch] for curve in made.history.class_curves) / 10 == pytest.approx(share)


@pytest.mark.slow
def test_settings_for_a_set_and_for_a_model(context, trained_on):
    settings = {**SETTINGS, "sets": {"few": {"limit": 4}}, "models": {"vgg11": {"epochs": 1}}, "size": 32}
    few = classify({"noise": "none", "set": "few"}, 0, settings, context)
    assert (few["training_pictures"], len(few["curve_test"])) == (40, 2)
    vgg = classify({"noise": "none", "set": "few", "model": "vgg11"}, 0, settings, context)
    assert len(vgg["curve_test"]) == 1
    random = {"noise": "random", "form": "sample", "set": "few"}
    assert classify({**random, "epsilon_255": 16}, 0, settings, context)["linf_255"] == 16
    assert classify(random, 0, settings, context)["linf_255"] == 8


@pytest.mark.parametrize("wrong", [{"sets": {"a": {"limmit": 4}}}, {"models": {"vgg11": {"epochs": "x"}}}])
def test_their_misspelt_or_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError, match=r"here: .*(limmit|valid integer)"):
        EXPERIMENT.check_settings({**SETTINGS, **wrong}, "here")


def test_what_a_set_reads_is_named():
    own = ClassifySettings.model_validate({**SETTINGS, "sets": {"a": {"data": "a.zip"}}})
    assert own.sources(ClassifyKey(noise="none", set="a")) == ("a.zip",)
    assert own.sources(ClassifyKey(noise="none")) == ()
