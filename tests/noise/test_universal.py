"""Class-wise error-max: DeepFool against its closed form and foolbox; the universal loop against one by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from noise_samples import EPSILON, pictures, shuffled, trained
from torch import nn

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.noise.base import add_noise
from faceshield.noise.deepfool import deepfool
from faceshield.noise.universal import Universal


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def learner(data):
    made = trained(data)
    made.model.requires_grad_(False)
    return made


@pytest.mark.parametrize("candidates", [2, 3, 10])
def test_on_a_linear_classifier_it_is_the_distance_to_the_nearest_boundary(candidates):
    """x moves by |f_k − f_y| / ‖w_k − w_y‖² · (w_k − w_y), for the k with the shortest way."""
    rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)).requires_grad_(False)
    model[1].weight.copy_(torch.randn(5, 48, generator=rng))
    model[1].bias.copy_(torch.randn(5, generator=rng) / 10)
    x = 0.5 + 0.05 * torch.randn(20, 3, 4, 4, generator=rng)
    logits = model(x)
    labels = logits.argmax(1)
    r = deepfool(x, labels, model, candidates=candidates, overshoot=0.02)
    for i, label in enumerate(labels.tolist()):
        others = [k for k in logits[i].argsort(descending=True).tolist() if k != label][: candidates - 1]
        ways = []
        for k in others:
            w = model[1].weight[k] - model[1].weight[label]
            ways.append(float(logits[i, label] - logits[i, k]) / float(w @ w) * w)
        shortest = min(ways, key=lambda way: float(way.norm()))
        # the 1e-4 beyond the boundary is a length: a tiny part of it
        torch.testing.assert_close(r[i].flatten(), 1.02 * shortest, rtol=0.02, atol=2e-4)
    assert (model(x + r).argmax(1) != labels).all()


def test_deepfool_agrees_with_foolbox(data, learner):
    foolbox = pytest.importorskip("foolbox", reason="foolbox (extra dev) is not installed")
    clean = data.images.float() / 255
    labels = learner.model(clean).argmax(1)
    wrapped = foolbox.PyTorchModel(learner.model, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=3, overshoot=0.02, loss="logits")
    theirs = attack.run(wrapped, clean, foolbox.criteria.Misclassification(labels))
    ours = deepfool(clean, labels, learner.model, candidates=3)
    assert (learner.model(clean + ours).argmax(1) != labels).all()
    torch.testing.assert_close(clean + ours, theirs, rtol=0, atol=1e-4)


def test_deepfool_lets_alone_who_is_wrong_already_and_whoever_stands_beside(data, learner):
    clean = data.images.float() / 255
    right = learner.model(clean).argmax(1)
    asked = torch.where(torch.arange(len(data)) % 2 == 0, right, (right + 1) % 3)
    r = deepfool(clean, asked, learner.model)
    assert (r[1::2] == 0).all()
    assert (r[::2].abs().amax((1, 2, 3)) > 0).all()
    for i in (0, 6):
        alone = deepfool(clean[i : i + 1], asked[i : i + 1], learner.model)
        torch.testing.assert_close(alone[0], r[i], rtol=1e-3, atol=1e-5)


def test_the_sequential_form_is_the_published_loop(data, learner):
    """One example after the other, in the order drawn: which of the subset, and then in which order."""
    epsilon = 3 * EPSILON
    noise = Universal(Budget(epsilon), passes=1, subset=1.0).generate(data, learner, seed=0)
    rng = generator(0, "error-max", "class")
    chosen = torch.randperm(len(data), generator=rng)
    delta = torch.zeros(3, 3, 8, 8)
    for i in chosen[torch.randperm(len(data), generator=rng)].tolist():
        label = data.labels[i : i + 1]
        x = add_noise(data.images[i : i + 1], delta[label])
        if learner.model(x).argmax(1) == label:
            delta[label] = (delta[label] + deepfool(x, label, learner.model, steps=10)).clamp(-epsilon, epsilon)
    assert delta.abs().amax((1, 2, 3)).min() > 0
    torch.testing.assert_close(noise.delta, delta, rtol=0, atol=1e-4)


def test_the_mean_is_over_those_still_classified_correctly(data, learner):
    """One batch of everything, by hand; one picture has another class's label and so is wrong from the start."""
    labels = data.labels.clone()
    labels[0] = 1
    noise = Universal(Budget(1.0), passes=1, subset=1.0, update="mean", batch=100).generate(
        replace(data, labels=labels), learner, seed=0
    )
    clean = data.images.float() / 255
    moves = deepfool(clean, labels, learner.model, steps=10)
    right = learner.model(clean).argmax(1) == labels
    assert not right[0]
    for label in range(3):
        torch.testing.assert_close(noise.delta[label], moves[right & (labels == label)].mean(0), rtol=0, atol=1e-4)


@pytest.mark.parametrize("update", ["mean", "sequential"])
def test_it_fools_inside_the_budget_and_stops_there(data, learner, update):
    heard = []
    method = Universal(Budget(0.3), subset=1.0, update=update, batch=8)
    noise = method.generate(data, learner, seed=0, on_round=lambda number, rate, delta: heard.append((number, rate)))
    rates = noise.provenance["errors"]
    assert heard == list(enumerate(rates))
    assert rates[-1] >= 0.8
    assert all(rate < 0.8 for rate in rates[:-1])
    assert noise.form == "class"
    assert noise.keys == data.classes
    assert noise.delta.abs().max() <= 0.3 + 1e-6
    wrong = learner.model(add_noise(data.images, noise.delta[data.labels])).argmax(1) != data.labels
    assert float(wrong.float().mean()) == pytest.approx(rates[-1])
    again = method.generate(shuffled(data), learner, seed=0)
    assert again.delta.equal(noise.delta)


def test_passes_end_and_a_class_without_pictures_keeps_its_noise(data, learner):
    noise = Universal(Budget(1e-4), passes=2, subset=0.5).generate(data, learner, seed=0)
    assert len(noise.provenance["errors"]) == 2
    assert noise.provenance["errors"][-1] < 0.8
    two = data.select(data.labels < 2)
    noise = Universal(Budget(EPSILON), passes=2, subset=1.0).generate(two, learner, seed=0)
    assert (noise.delta[2] == 0).all()
    assert (noise.delta[:2].abs().amax((1, 2, 3)) > 0).all()


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError, match="update 'sum' is unknown"):
        Universal(update="sum")
    with pytest.raises(UsageError, match="candidates 1 must be 2"):
        replace(Universal(), candidates=1)
