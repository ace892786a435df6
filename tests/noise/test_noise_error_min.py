"""Algorithm 1, class-wise, on drawn faces: it lowers the error, keeps ε, and does what the paper's lines say."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError
from faceshield.experiments.fabricated import fabricated_people
from faceshield.models.resnet import resnet18
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.views import PlainCrop
from faceshield.training.loop import seeded

EPSILON = 8 / 255
VIEW = PlainCrop(frame=56, size=32)


@pytest.fixture(scope="module")
def people():
    return fabricated_people(4, 8, seed=3, size=64)


def run(people, *, seed=0, method=None, classes=None, fit=True, **heard):
    """One generation from a fresh surrogate; (noise, surrogate)."""
    names = classes or people.classes
    surrogate = seeded(lambda: resnet18(len(names), width=4, stem="stride2"), seed)
    optimizer = torch.optim.SGD(surrogate.parameters(), lr=0.1, momentum=0.9)

    def step(batch, labels):
        if fit:
            loss = F.cross_entropy(surrogate(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    method = method or ErrorMin(Budget(EPSILON), fit_steps=8, rounds=12, batch=16, subset=0.5, stop_error=0.0)
    noise = method.generate(
        people.images,
        people.labels,
        names,
        surrogate,
        fit=step,
        forward=surrogate,
        view=VIEW,
        generator=torch.Generator().manual_seed(seed),
        **heard,
    )
    return noise, surrogate


@pytest.fixture(scope="module")
def made(people):
    return run(people)


def test_it_lowers_the_error_and_keeps_epsilon(made, people):
    noise, surrogate = made
    assert noise.delta.shape == (4, 3, 64, 64)
    assert EPSILON / 2 < noise.delta.abs().max() <= EPSILON + 1e-7
    assert noise.form == "class"
    assert noise.keys == people.classes
    errors = noise.provenance["errors"]
    assert errors[-1] < errors[0]
    assert errors[-1] <= 0.25
    clean = people.images.float() / 255
    with torch.no_grad():
        views = [VIEW(x, None) for x in (clean, clean + noise.delta[people.labels])]
        clean_loss, noisy_loss = (float(F.cross_entropy(surrogate(x), people.labels)) for x in views)
    assert noisy_loss < clean_loss


def test_the_surrogate_is_left_ready(made):
    _, surrogate = made
    assert not surrogate.training
    assert all(parameter.requires_grad for parameter in surrogate.parameters())


def test_it_is_the_same_for_a_seed_and_another_for_another(made, people):
    again, _ = run(people)
    assert again.delta.equal(made[0].delta)
    assert again.provenance == made[0].provenance
    other, _ = run(people, seed=1)
    assert not other.delta.equal(made[0].delta)


def test_classes_without_photos_keep_their_noise(people):
    noise, _ = run(people, classes=(*people.classes, "nobody"))
    assert (noise.delta[4] == 0).all()
    assert (noise.delta[:4].abs().amax((1, 2, 3)) > 0).all()


def test_a_class_absent_from_a_batch_keeps_its_noise(people):
    """Batches of one example: each class's δ is what its own photos made of it, one after the other."""
    method = ErrorMin(Budget(EPSILON), fit_steps=0, rounds=1, batch=1, subset=1.0, stop_error=0.0)
    noise, _ = run(people, method=method, fit=False)
    assert (noise.delta.abs().amax((1, 2, 3)) > 3 * EPSILON / 10).all(), "less than a few steps are left"


def test_one_pass_is_the_mean_of_its_examples_own_steps(people):
    """Without fitting, with one batch of everything: computed here class by class, example by example."""
    method = ErrorMin(Budget(EPSILON), fit_steps=0, rounds=1, batch=100, subset=1.0, stop_error=0.0)
    noise, surrogate = run(people, method=method, fit=False)
    surrogate.requires_grad_(False)
    for label in range(4):
        moved = []
        for image in people.images[people.labels == label].float() / 255:
            x = image[None].clone().requires_grad_(True)
            F.cross_entropy(surrogate(VIEW(x, None)), torch.tensor([label])).backward()
            step = -EPSILON / 10 * x.grad.sign()
            moved.append((image + step[0]).clamp(0, 1) - image)
        mean = torch.stack(moved).mean(0)
        agree = (noise.delta[label] - mean).abs() < 1e-6
        assert agree.float().mean() > 0.99  # a gradient of nearly 0 may round to either sign


def test_it_stops_at_the_error_asked_for_and_tells_every_round(people):
    heard = []
    method = ErrorMin(Budget(EPSILON), fit_steps=1, rounds=9, batch=16, stop_error=1.0)
    noise, _ = run(people, method=method, on_round=lambda number, error, delta: heard.append((number, error)))
    assert heard == [(0, noise.provenance["errors"][0])]
    method = ErrorMin(Budget(EPSILON), fit_steps=1, rounds=3, batch=16, stop_error=-1.0)
    noise, _ = run(people, method=method)
    assert len(noise.provenance["errors"]) == 3


def test_fitting_sees_every_photo_before_it_sees_one_twice(people):
    """Next(x, y) of Algorithm 1 goes on across rounds."""
    seen = []
    surrogate = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    ErrorMin(Budget(EPSILON), fit_steps=1, rounds=8, batch=8, stop_error=-1.0).generate(
        people.images, people.labels, people.classes, surrogate,
        fit=lambda batch, labels: seen.append(labels), forward=surrogate, view=VIEW,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    for epoch in (torch.cat(seen[:4]), torch.cat(seen[4:])):
        assert torch.bincount(epoch).tolist() == [8, 8, 8, 8]


def test_noise_is_looked_up_by_name(made, people):
    noise, _ = made
    order = [people.classes[i] for i in (2, 0, 2)]
    assert noise.for_batch(order).equal(noise.delta[[2, 0, 2]])
    with pytest.raises(StoreError, match="no entry 'nobody'"):
        noise.for_batch(["f00", "nobody"])
