"""The probe: what it runs, how it scales that to a cell, what counts nothing, and what it does without the data."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.data.sources import open_data
from faceshield.experiments import pace
from faceshield.experiments import probe as probing
from faceshield.experiments.classify import classify
from faceshield.experiments.noises import fresh_surrogate
from faceshield.experiments.pace import ROUNDS, STEPS, noise_seconds, thinned
from faceshield.experiments.plan import Planned
from faceshield.experiments.probe import probe, probe_cost, probe_transfer
from faceshield.noise.registry import noise_method
from faceshield.training import learner as learning
from faceshield.training import loop
from faceshield.training.learner import learner

SETTINGS = {
    "data": "digits", "size": 8, "limit": 12, "test_limit": 6, "width": 2, "epochs": 3, "lr": 0.1, "batch": 16,
    "surrogate_epochs": 2, "generate": {"error-min class": {"rounds": 2}},
}  # fmt: skip
NONE, CLASS = {"noise": "none"}, {"noise": "error-min", "form": "class"}
PICTURES, TESTS = 120, 60


def asked(context, *keys, seed=0, **changed):
    return probe([Planned(key, seed, {**SETTINGS, **changed}, "") for key in keys], context)


@pytest.fixture
def priced(monkeypatch):
    """A step of training for 1 s, the test of a picture for 0.01 s, a noise for 1000 s; returns what was asked for."""
    told = []
    monkeypatch.setattr(probing, "training_pace", lambda data, *of: told.append("pace") or (1.0, 0.01))
    monkeypatch.setattr(probing, "noise_seconds", lambda method, *of: told.append("noise") or 1000.0)
    return told


def trained_for(epochs, pictures=PICTURES):
    return epochs * (-(-pictures // 16) + TESTS * 0.01)


def test_a_training_is_its_steps_and_its_tests(context, priced):
    assert asked(context, NONE) == pytest.approx([trained_for(3)])
    assert asked(context, NONE, epochs=30, limit=10) == pytest.approx([trained_for(30, 100)])
    half = {**NONE, "percent": 50, "trained_on": "clean"}
    assert asked(context, half) == pytest.approx([trained_for(3, 60)])


def test_what_is_shared_is_counted_and_timed_once(context, priced):
    error_max = [{"noise": "error-max", "form": form} for form in ("sample", "class")]
    found = asked(context, CLASS, {**CLASS, "percent": 20}, *error_max)
    own = trained_for(3)
    assert found == pytest.approx([1000 + own, own, trained_for(2) + 1000 + own, 1000 + own])
    assert priced == ["noise", "pace", "noise", "noise"]


def test_what_is_kept_counts_nothing(context, priced):
    error_max = {"noise": "error-max", "form": "class"}
    for key in (NONE, CLASS, error_max):
        classify(key, 0, SETTINGS, context)
    assert asked(context, NONE, CLASS, error_max) == [0, 0, 0]
    assert priced == []
    assert asked(context, CLASS, seed=1) == pytest.approx([1000 + trained_for(3)])
    assert asked(context, CLASS, epochs=4) == pytest.approx([trained_for(4)]), "the noise is there, the network is not"
    assert asked(context, CLASS, adversary={"steps": 1}) == pytest.approx([trained_for(3)])


def test_of_the_cost_neither_training_nor_noise_is_reused(context, priced):
    classify(CLASS, 0, SETTINGS, context)
    cells = [Planned({**CLASS, "setting": setting}, 0, SETTINGS, "") for setting in ("paper", "fast")]
    assert probe_cost(cells, context) == pytest.approx([1000 + trained_for(3)] * 2)


def test_a_transfer_is_the_noise_of_its_source_and_a_training_on_the_data(context, priced):
    digits = {**SETTINGS, "only": ["0", "1", "2"], "source": "digits", "source_only": ["5", "6"]}
    joined = {**digits, "added": "6", "compared": "1"}
    sample = {**CLASS, "form": "sample"}
    own, joining = 3 * (-(-36 // 16) + 18 * 0.01), 3 * (-(-48 // 16) + 18 * 0.01)
    assert probe_transfer([Planned(NONE, 0, digits, "")], context) == pytest.approx([own])
    assert probe_transfer([Planned(CLASS, 0, digits, ""), Planned(CLASS, 0, digits, "")], context) == pytest.approx(
        [1000 + own, own]
    )
    assert probe_transfer([Planned(sample, 0, joined, "")], context) == pytest.approx([1000 + joining])


def test_ten_steps_are_run_after_one_to_warm_up(context, monkeypatch):
    steps, real = [], loop.descend
    monkeypatch.setattr(loop, "descend", lambda *of: steps.append(1) or real(*of))
    (seconds,) = asked(context, NONE)
    assert seconds > 0
    assert len(steps) == 1 + 2 * 8, "an epoch of eight is too short, so there are two"
    steps.clear()
    asked(context, NONE, limit=100)
    assert len(steps) == 1 + STEPS


class Clock:
    """Each of θ's fits takes 1 s, and each forward pass of one picture in a δ pass 0.01 s."""

    def __init__(self, monkeypatch, theta):
        self.now = 0.0
        monkeypatch.setattr(pace.time, "perf_counter", lambda: self.now)
        self.theta = replace(theta, frozen=lambda: self.wrapped(theta.frozen(), 0.01), fit=self.fit(theta.fit))

    def wrapped(self, call, each):
        def forward(batch):
            self.now += each * len(batch) * batch.requires_grad
            return call(batch)

        return forward

    def fit(self, call):
        def fit(images, labels):
            self.now += 1
            return call(images, labels)

        return fit


@pytest.mark.parametrize(
    ("name", "form", "settings", "expected"),
    [
        ("error-min", "class", {"rounds": 60}, ROUNDS * (10 + 0.2 * 120 * 0.01)),
        ("error-min", "class", {"rounds": 2, "fit_steps": 3, "subset": 0.5}, 2 * (3 + 0.5 * 120 * 0.01)),
        ("error-min", "class", {"rounds": 1, "update": "sequential", "steps": 20}, 10 + 0.2 * 120 * 20 * 0.01),
        ("error-min", "sample", {"rounds": 3}, 3 * (10 + 120 * 20 * 0.01)),
        ("error-min", "sample", {"rounds": 3, "steps": 4, "delta_batch": 50}, 3 * (10 + 120 * 4 * 0.01)),
        ("eq5-adam", "sample", {"rounds": 1, "fit_steps": 5, "steps": 200}, 5 + 120 * 200 * 0.01),
        ("patch", "class", {"rounds": 1, "patch": [4, 4]}, 10 + 0.2 * 120 * 0.01),
        ("mix-either", "class", {"rounds": 1}, 2 * (10 + 0.2 * 120 * 0.01)),
        ("mix-added", "class", {"rounds": 1}, 10 + 0.2 * 120 * 0.01),
        ("error-max", "sample", {}, 120 * 20 * 0.01),
        ("random", "sample", {}, 0),
        ("error-max", "class", {}, 0),
    ],
)
def test_noise_is_its_fits_and_its_steps(context, monkeypatch, name, form, settings, expected):
    data = open_data("digits", "train", 8, 12).sorted()
    own = probing.checked_settings(SETTINGS)
    clock = Clock(monkeypatch, learner(fresh_surrogate(10, 0, own), context.runtime))
    method = noise_method(name, form, **settings, **({} if name == "random" else {"batch": 16}))
    assert noise_seconds(method, data, clock.theta) == pytest.approx(expected)


def test_of_the_noise_ten_steps_are_run(context, monkeypatch):
    fits, real = [], learning.descend
    monkeypatch.setattr(learning, "descend", lambda *of: fits.append(1) or real(*of))
    assert asked(context, CLASS)[0] > asked(context, NONE)[0] / 2
    assert len(fits) == 1 + STEPS


def test_some_of_every_class():
    data = open_data("digits", "train", 8, 12)
    data = replace(data, ids=tuple(f"{label}/{id}" for label, id in zip(data.labels, data.ids, strict=True))).sorted()
    assert thinned(data, 20).labels.bincount().tolist() == [2] * 10
    assert len(thinned(data, 7)) == 7
    assert thinned(data, 10_000).ids == data.ids


def test_known_data_that_is_absent_is_made_up_and_other_data_is_asked_for(context, priced):
    cifar = {"data": "cifar-10-binary.tar.gz", "limit": None, "test_limit": None, "batch": 128, "size": None}
    assert asked(context, NONE, **cifar) == pytest.approx([3 * (391 + 100)])
    data, test = probing.fabricated(
        "cifar-100-binary.tar.gz", probing.checked_settings({**SETTINGS, **cifar, "limit": 3})
    )
    assert (tuple(data.images.shape), tuple(test.images.shape)) == ((300, 3, 32, 32), (10_000, 3, 32, 32))
    assert data.labels.bincount().tolist() == [3] * 100
    assert data.images.dtype == torch.uint8
    with pytest.raises(UsageError, match="give the folder that holds 'mine' by --data"):
        asked(context, NONE, data="mine")
