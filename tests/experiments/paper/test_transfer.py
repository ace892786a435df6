"""Noise from one data set on pictures of another: which class gets which noise, and what is tested."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.types import Noise
from faceshield.data.sources import open_data
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.paper import network_cache as training
from faceshield.experiments.paper import transfer
from faceshield.experiments.paper.transfer import ADDED_CLASS, MAPPED_CLASSES, rename_keys

added_class = ADDED_CLASS.run
mapped_classes = MAPPED_CLASSES.run

SETTINGS = {
    "data": "digits", "only": ["0", "1", "2"], "source": "digits", "source_only": ["5", "6", "7"],
    "size": 8, "limit": 10, "test_limit": 6, "width": 2, "epochs": 2, "lr": 0.1, "batch": 16,
    "generate": {"error-min class": {"rounds": 2}, "error-min sample": {"rounds": 1, "steps": 3}},
}  # fmt: skip
ADDED = {**SETTINGS, "added": "6", "compared": "1"}
MAPPED = {**SETTINGS, "mapping": {"0": "6", "1": "7", "2": "5"}}
SAMPLE = {"noise": "error-min", "form": "sample"}
CLASS = {"noise": "error-min", "form": "class"}


@pytest.fixture
def seen(monkeypatch):
    """(training pictures, test pictures) of each network, and the noises that were asked for."""
    kept = {"data": [], "noise": []}
    real, real_noise = training.fit_network, transfer.load_or_make_noise

    def fitted(job, *of, **how):
        kept["data"].append((job.data, job.test))
        return real(job, *of, **how)

    def load_or_make_noise(*of):
        kept["noise"].append((real_noise(*of), of[2]))
        return kept["noise"][-1][0]

    monkeypatch.setattr(training, "fit_network", fitted)
    monkeypatch.setattr(transfer, "load_or_make_noise", load_or_make_noise)
    return kept


def digits(split="train", limit=10):
    return open_data("digits", split, 8, limit).sort()


def test_the_added_class_alone_carries_noise_made_on_the_source(context, seen):
    metrics = added_class(SAMPLE, 0, ADDED, context)
    ((pictures, test),) = seen["data"]
    ((noise, source),) = seen["noise"]
    assert pictures.classes == test.classes == ("0", "1", "2", "6")
    assert source.classes == ("5", "6", "7")
    assert len(source) == 30
    original = digits()
    sixes = original.select(original.labels == 6)
    place = {id: row for row, id in enumerate(pictures.ids)}
    assert pictures.images[[place[id] for id in sixes.ids]].equal(unlearnable(sixes, noise).images)
    others = original.select(original.labels <= 2)
    assert pictures.images[[place[id] for id in others.ids]].equal(others.images)
    assert pictures.labels[[place[id] for id in others.ids]].equal(others.labels)
    assert len(pictures) == 40
    assert len(test) == 24
    assert len(metrics["curve_added"]) == len(metrics["curve_compared"]) == 2
    assert metrics["protected_accuracy"] == pytest.approx(metrics["curve_added"][-1], abs=1e-4)
    assert metrics["class_accuracy"][1] == metrics["curve_compared"][-1]
    assert metrics["others_accuracy"] == pytest.approx(sum(metrics["class_accuracy"][:3]) / 3, abs=1e-4)


def test_the_clean_class_joins_as_it_is(context, seen):
    added_class({"noise": "none"}, 0, ADDED, context)
    ((pictures, _),) = seen["data"]
    original = digits()
    wanted = original.select_classes(["0", "1", "2", "6"])
    assert pictures.images.equal(wanted.images)
    assert pictures.labels.equal(wanted.labels)


def test_each_class_gets_the_noise_of_the_one_it_is_mapped_to(context, seen):
    mapped_classes(CLASS, 0, MAPPED, context)
    mapped_classes({**CLASS, "protected": "0+2"}, 0, MAPPED, context)
    (noise, source), _ = seen["noise"]
    assert source.classes == ("5", "6", "7")
    clean = digits().select_classes(["0", "1", "2"])
    delta = noise.for_batch(["6", "7", "5"])[clean.labels]
    full = (clean.images.int() + (delta * 255).round().int()).clamp(0, 255)
    assert seen["data"][0][0].images.int().equal(full)
    some = torch.where((clean.labels == 1).view(-1, 1, 1, 1), clean.images.int(), full)
    assert seen["data"][1][0].images.int().equal(some)


def test_renamed_noise_has_the_new_names_alone():
    noise = Noise(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 2, 2) / 255, "class", ("a", "b", "c"), Budget())
    new = rename_keys(noise, {"x": "c", "y": "a", "z": "c"})
    assert list(new.keys) == ["x", "y", "z"]
    assert (new.delta[:, 0, 0, 0] * 255).round().tolist() == [2, 0, 2]
    with pytest.raises(StoreError, match="no entry 'd'"):
        rename_keys(noise, {"x": "d"})


def test_classes_are_chosen_by_name_in_the_order_asked_for():
    data = digits()
    chosen = data.select_classes(["7", "3"])
    assert chosen.classes == ("7", "3")
    by_id = dict(zip(data.ids, data.labels.tolist(), strict=True))
    assert [("7", "3")[label] for label in chosen.labels.tolist()] == [str(by_id[id]) for id in chosen.ids]
    assert set(chosen.ids) == {id for id, label in by_id.items() if label in (3, 7)}
    with pytest.raises(UsageError, match="class 'seven' is not in the data"):
        data.select_classes(["seven"])


@pytest.mark.parametrize(
    ("cell", "key", "changed", "told"),
    [
        (added_class, SAMPLE, {"added": None}, "needs the settings added and compared"),
        (added_class, SAMPLE, {"compared": "8"}, "class '8' is not in the data; compare with one of 0, 1, 2"),
        (added_class, SAMPLE, {"added": "8"}, "class '8' is not in the data"),
        (added_class, {"noise": "none"}, {"source_only": ["1", "6"], "added": "1"}, "share a class name"),
        (mapped_classes, CLASS, {"mapping": {"0": "5"}}, "no class of the source for '1'"),
    ],
)
def test_what_is_refused(context, cell, key, changed, told):
    with pytest.raises(UsageError, match=told):
        cell(key, 0, {**ADDED, **MAPPED, **changed}, context)


def test_both_data_sets_are_inputs(context):
    assert ADDED_CLASS.fingerprint({"noise": "none"}, ADDED, context) == "digits digits"
