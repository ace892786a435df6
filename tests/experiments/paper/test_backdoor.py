"""The backdoor experiment: the target's noise on clean pictures, counted by hand."""

from __future__ import annotations

import pytest
import torch

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.types import Noise
from faceshield.data.sources import open_data
from faceshield.experiments.paper import network_cache as training
from faceshield.experiments.paper.backdoor import EXPERIMENT, add_trigger, draw_other_labels

backdoor = EXPERIMENT.run

SETTINGS = {
    "data": "digits", "size": 8, "limit": 12, "test_limit": 6, "width": 2, "epochs": 2, "lr": 0.1, "batch": 16,
    "generate": {"error-min class": {"rounds": 2}},
}  # fmt: skip


def pictures():
    return open_data("digits", "test", 8, 6)


def test_targets_are_other_classes_and_every_one_of_them():
    test = open_data("digits", "test", 8)
    target = draw_other_labels(test, 0)
    assert (target != test.labels).all()
    assert torch.bincount((target - test.labels) % 10, minlength=10).count_nonzero() == 9
    assert target.equal(draw_other_labels(test, 0))
    assert not target.equal(draw_other_labels(test, 1))


def test_each_picture_carries_its_targets_noise():
    test = pictures()
    levels = torch.arange(-5, 5).view(10, 1, 1, 1).expand(10, 3, 8, 8) / 255
    noise = Noise(levels.contiguous(), "class", test.classes, Budget())
    target = draw_other_labels(test, 0)
    expected = (test.images.int() + target.view(-1, 1, 1, 1) - 5).clamp(0, 255)
    assert add_trigger(test, noise, target).images.int().equal(expected)


def test_success_is_the_share_that_obeys(context, monkeypatch):
    """Against a network that reads the target off the noise, and one that does not see it."""

    class Obedient(torch.nn.Module):
        def __init__(self, delta):
            super().__init__()
            self.delta = delta

        def forward(self, x):
            grey = torch.full_like(x[:1], 0.5)
            return -torch.stack([((x - grey) - d).abs().sum((1, 2, 3)) for d in self.delta], 1)

    kept = {}
    real = training.fit_network

    def fitted(job, *of, **how):
        made = real(job, *of, **how)
        kept["data"] = job.data
        return made

    monkeypatch.setattr(training, "fit_network", fitted)
    metrics = backdoor({"noise": "random", "form": "class", "percent": 50}, 0, SETTINGS, context)
    clean = open_data("digits", "train", 8, 12).sort()
    changed = (kept["data"].images != clean.images).flatten(1).any(1)
    assert torch.bincount(clean.labels[changed], minlength=10).tolist() == [6] * 10
    assert 0 <= metrics["attack_success"] <= 1
    assert metrics["attack_chance"] <= 1 - metrics["test_accuracy_final"], "who is right does not obey"
    delta = (torch.rand(10, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1) * 8 / 255
    noise = Noise(delta, "class", clean.classes, Budget())
    grey = pictures()
    grey = type(grey)(torch.full_like(grey.images, 128), grey.labels, grey.ids, grey.classes)
    target = draw_other_labels(grey, 0)
    guess = Obedient(delta)(add_trigger(grey, noise, target).images.float() / 255).argmax(1)
    assert guess.equal(target)


@pytest.mark.slow
def test_without_poisoned_pictures_the_network_is_the_clean_one(context):
    one, two = (
        backdoor({"noise": noise, "form": "class", "percent": 0}, 0, SETTINGS, context)
        for noise in ("random", "error-min")
    )
    assert one["curve_test"] == two["curve_test"]
    assert len(list(context.work.glob("network-*"))) == 1


def test_only_class_wise_noise(context):
    with pytest.raises(UsageError, match="form 'sample' has no noise for new pictures"):
        backdoor({"noise": "random", "form": "sample", "percent": 20}, 0, SETTINGS, context)
