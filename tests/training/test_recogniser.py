"""The published schedule of a face recogniser, and the loss of its margin head in the loop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faceshield.core.errors import UsageError
from faceshield.data.mixing import mixup
from faceshield.data.synthetic import synthesize_people
from faceshield.models.margin import CosineHead, add_margin
from faceshield.training.loop import build_seeded, train
from faceshield.training.optim import rate
from faceshield.training.recogniser import LR, MarginLoss, read_published_settings
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)


class Small(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.body, self.head = nn.Linear(3, 8), head

    def forward(self, x):
        return self.head(self.body(x.mean((2, 3)) - 0.5))


def test_published_is_a_tenth_at_30_and_40_of_50_epochs():
    how = read_published_settings()
    rates = [
        rate(how["schedule"], epoch, 50, lr=LR, milestones=how["milestones"])[0] for epoch in (0, 29, 30, 39, 40, 49)
    ]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005])
    assert (how["weight_decay"], how["nesterov"]) == (5e-4, False)
    assert read_published_settings(5)["milestones"] == (3, 4)


def test_loop_descends_the_margin_loss_and_tells_its_mean():
    people = synthesize_people(2, 8, seed=0, size=16)
    x, y = people.images.float() / 255, people.labels
    network = build_seeded(lambda: Small(CosineHead(8, 2)), 0)
    with torch.no_grad():
        expected = nn.functional.cross_entropy(add_margin(network(x), y), y)
    told = {}
    train(
        network, people, RUNTIME, epochs=30, seed=0, lr=LR, batch=16, augment=lambda images, rng: images,
        criterion=MarginLoss(), on_epoch=told.__setitem__, **read_published_settings(30),
    )  # fmt: skip
    assert told[0] == pytest.approx(float(expected), rel=1e-5)
    assert told[29] < 0.9 * told[0]


def test_margin_loss_refuses_mixed_pictures():
    people = synthesize_people(2, 4, seed=0, size=16)
    network = build_seeded(lambda: Small(CosineHead(8, 2)), 0)
    with pytest.raises(UsageError, match="mixed pictures"):
        train(network, people, RUNTIME, epochs=1, seed=0, mix=mixup, criterion=MarginLoss())
