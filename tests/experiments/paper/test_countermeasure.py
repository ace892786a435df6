"""A classify cell's counter-measure: done to the pictures that a collector has, and to the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.paper import classify as classifying
from faceshield.experiments.paper import network_cache
from faceshield.experiments.paper.classify import EXPERIMENT
from faceshield.experiments.registry import load_experiment

SETTINGS = {
    "data": "digits", "size": 16, "limit": 6, "test_limit": 3, "width": 2, "epochs": 1, "lr": 0.1, "batch": 16,
    "generate": {"pil sample": {"epochs": 1, "steps": 2}},
}  # fmt: skip
KEY = {"noise": "lsp", "form": "sample"}


@pytest.fixture
def trained(monkeypatch):
    """The trainings that were asked for."""
    seen, real = [], network_cache.fit_network
    monkeypatch.setattr(network_cache, "fit_network", lambda job, *of, **how: seen.append(job) or real(job, *of, **how))
    return seen


def test_pictures_are_changed_for_training_and_test(context, trained):
    EXPERIMENT.run({**KEY, "countermeasure": "grey"}, 0, SETTINGS, context)
    for part in (trained[0].data, trained[0].test):
        assert (part.images.amax(1) - part.images.amin(1)).max() == 0


def test_training_is_another_for_a_counter_measure_of_the_training(context, trained):
    for way in ("none", "ueraser", "staged-training"):
        EXPERIMENT.run({**KEY, "countermeasure": way}, 0, SETTINGS, context)
    assert [job.against for job in trained] == ["none", "ueraser", "staged-training"]
    assert trained[0].data.images.equal(trained[1].data.images)
    paths = {network_cache.find_network_path(job, context) for job in trained}
    assert len(paths) == 3


def test_who_takes_noise_off_gets_originals_that_leaked(context, trained, monkeypatch):
    told = {}

    def undo(training, pairs, rng):
        told.update(training=training, pairs=pairs)
        return training.select(torch.arange(len(training)) > 0)

    against = classifying.find_countermeasure("bridge").__class__("a test", undo=undo)
    monkeypatch.setattr(classifying, "find_countermeasure", lambda name: against)
    metrics = EXPERIMENT.run({**KEY, "countermeasure": "bridge"}, 0, SETTINGS, context)
    apart = (told["pairs"].cloaked.int() - told["pairs"].clean.int()).abs()
    assert len(apart) == 60
    assert 4 <= apart.max() <= 8
    everyone = {bytes(picture.numpy().tobytes()) for picture in told["training"].images}
    assert {bytes(picture.numpy().tobytes()) for picture in told["pairs"].cloaked} == everyone
    assert metrics["training_pictures"] == 59


def test_a_cell_tells_what_its_noise_cost(context):
    metrics = EXPERIMENT.run({"noise": "pil", "form": "sample"}, 0, SETTINGS, context)
    assert metrics["noise_seconds_per_1000"] == pytest.approx(metrics["seconds_noise"] / 60 * 1000, abs=1e-3)
    if Path("/proc/self/clear_refs").exists():
        assert 50 < metrics["noise_peak_mb"] < 20_000


def test_the_leaderboards_words_are_known_and_its_benchmarks_ask_for_no_epsilon(root):
    recipe = read_recipe(root / "recipes/methods/leaderboard.yaml")
    load_experiment(recipe)
    for key in recipe.cells():
        assert (key.get("epsilon_255") == 255) == (key["noise"] in ("ops", "cuda"))
