"""Algorithm 1: it lowers the error, keeps ε, does what the paper's lines say in both forms, and can be killed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from noise_samples import EPSILON, fresh, network, pictures, shuffled, unfitted
from torch import nn

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.data.examples import Examples
from faceshield.noise.error_min import ErrorMin

CLASS = ErrorMin(fit_steps=4, rounds=6, batch=8, subset=0.5, stop_error=-1.0)
SAMPLE = ErrorMin.sample_wise(fit_steps=4, rounds=6, batch=8, steps=5, stop_error=-1.0)
FORMS = pytest.mark.parametrize(
    "method", [CLASS, SAMPLE, replace(CLASS, update="sequential")], ids=["mean", "sample", "sequential"]
)


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.mark.parametrize("method", [CLASS, SAMPLE], ids=["class", "sample"])
def test_it_lowers_the_error_and_keeps_epsilon(data, method):
    learner = fresh(lr=0.01)
    noise = replace(method, rounds=12, fit_steps=2).generate(data, learner, seed=0)
    form, keys = noise.form, noise.keys
    assert (form, keys) == (("class", data.classes) if method is CLASS else ("sample", data.ids))
    assert noise.delta.shape == (len(keys), 3, 8, 8)
    assert EPSILON / 2 < noise.delta.abs().max() <= EPSILON + 1e-7
    errors = noise.provenance["errors"]
    assert len(errors) == 12
    assert errors[-1] < errors[0]
    owner = data.labels if form == "class" else torch.arange(len(data))
    clean = data.images.float() / 255
    with torch.no_grad():
        losses = [float(F.cross_entropy(learner.model(x), data.labels)) for x in (clean, clean + noise.delta[owner])]
    assert losses[1] < losses[0]
    assert not learner.model.training
    assert all(parameter.requires_grad for parameter in learner.model.parameters())


@FORMS
def test_neither_the_order_of_the_files_nor_another_run_changes_delta(data, method):
    noise = method.generate(data, fresh(), seed=0)
    assert method.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    assert not method.generate(data, fresh(), seed=1).delta.equal(noise.delta)


def test_the_batch_of_the_delta_pass_changes_no_examples_own_delta(data):
    """To within signs of gradients near 0, which float32 sums in another order in another batch."""
    one, two = (replace(SAMPLE, rounds=1, delta_batch=n).generate(data, fresh(), seed=0).delta for n in (5, 24))
    assert ((one - two).abs() < 1e-6).float().mean() >= 0.999


def test_own_deltas_are_each_examples_own_steps(data):
    """Without fitting, T = 3: computed here one example after the other."""
    model = network()
    noise = replace(SAMPLE, fit_steps=0, rounds=1, steps=3).generate(data, unfitted(model), seed=0)
    by_hand = []
    for image, label in zip(data.images.float() / 255, data.labels, strict=True):
        delta = torch.zeros_like(image)
        for _ in range(3):
            delta = stepped(model, image, label, delta, inside=True)
        by_hand.append(delta)
    assert ((noise.delta - torch.stack(by_hand)).abs() < 1e-6).float().mean() >= 0.999


def stepped(model, image, label, delta, *, inside):
    """Eq. 3 for one example, as in the paper; ``inside``: its picture stays in [0, 1]."""
    x = (image + delta).clamp(0, 1)[None].requires_grad_(True)
    F.cross_entropy(model(x), label[None]).backward()
    free = (image + delta >= 0) & (image + delta <= 1)
    delta = (delta - EPSILON / 10 * torch.sign(x.grad[0] * free)).clamp(-EPSILON, EPSILON)
    return (image + delta).clamp(0, 1) - image if inside else delta


def test_a_mean_pass_is_the_mean_of_its_examples_own_steps(data):
    """Without fitting, with one batch of everything: computed here class by class, example by example."""
    model = network()
    noise = replace(CLASS, fit_steps=0, rounds=1, delta_batch=99, subset=1.0).generate(data, unfitted(model), seed=0)
    for label in range(3):
        members = data.images[data.labels == label].float() / 255
        moved = [stepped(model, x, torch.tensor(label), torch.zeros_like(x), inside=True) for x in members]
        assert ((noise.delta[label] - torch.stack(moved).mean(0)).abs() < 1e-6).float().mean() >= 0.99


@pytest.mark.parametrize("steps", [1, 3])
def test_a_sequential_pass_is_the_papers_loop(data, steps):
    """One example at a time in the order that the method draws; recovered here from the seed."""
    model, heard = network(), []
    method = replace(CLASS, fit_steps=0, rounds=2, subset=0.6, update="sequential", steps=steps, batch=1000)
    view = lambda x, rng: heard.append(x.detach()) or x  # noqa: E731
    noise = replace(method, view=view).generate(data, unfitted(model), seed=0)
    chosen = round(0.6 * len(data))
    # the error is evaluated once a round, on all of the chosen in their own order: that tells the order
    clean = data.images.float() / 255
    orders = []
    for seen in (x for x in heard if len(x) == chosen):
        orders.append([int((clean - x).abs().amax((1, 2, 3)).argmin()) for x in seen])
    assert len(orders) == 2
    assert [len(set(order)) for order in orders] == [chosen] * 2
    delta = torch.zeros(3, 3, 8, 8)
    for i in orders[0] + orders[1]:
        label = data.labels[i]
        for _ in range(steps):
            delta[label] = stepped(model, clean[i], label, delta[label], inside=False)
    assert ((noise.delta - delta).abs() < 1e-6).float().mean() >= 0.99
    assert noise.provenance["steps_taken"] == 2 * chosen * steps


@pytest.mark.parametrize("subset", [0.125, 0.3, 1.0])
def test_the_subset_is_drawn_once_and_from_every_class(data, subset):
    """Appendix B: 20 % of the data make the noise, and the rest of it never do; with ``redraw`` others each round."""
    rare = data.select((data.labels < 2) | (torch.arange(len(data)) < 3))  # one picture of the third class
    seen = []

    def told(seed, redraw=False):
        rounds = []
        method = replace(CLASS, fit_steps=0, rounds=3, subset=subset, redraw=redraw, delta_batch=100)
        watched = lambda x, rng: seen.append((x.detach() * 255).round()) or x  # noqa: E731
        replace(method, view=watched).generate(
            rare, unfitted(network()), seed=seed, on_round=lambda *_: rounds.append(torch.cat(seen)) or seen.clear()
        )
        # ε is less than what tells two pictures apart
        near = [torch.cdist(each.flatten(1), rare.images.flatten(1).float()).argmin(1) for each in rounds]
        return [sorted(set(indices.tolist())) for indices in near]

    first = told(0)
    assert len(first) == 3
    assert first[0] == first[1] == first[2]
    assert len(first[0]) == max(1, round(subset * len(rare)))
    if len(first[0]) >= 3:
        assert set(rare.labels[first[0]].tolist()) == {0, 1, 2}
    assert first == told(0)
    assert subset == 1.0 or first != told(1)
    assert subset == 1.0 or len({tuple(each) for each in told(0, redraw=True)}) > 1


def test_sequential_noise_survives_white_pictures():
    """δ is shared by its class: a white picture has no room for it, and undoes nothing of what grey ones left."""
    images = torch.full((20, 3, 8, 8), 128, dtype=torch.uint8)
    images[1::2] = 255
    ids = tuple(f"{number:02d}" for number in range(20))
    data = Examples(images, torch.zeros(20, dtype=torch.long), ids, ("one", "two"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2, bias=False))
    model[1].weight.data = torch.stack([torch.full((192,), 0.01), torch.full((192,), -0.01)])
    method = replace(CLASS, fit_steps=0, rounds=1, subset=1.0, update="sequential")
    noise = method.generate(data, unfitted(model), seed=0)
    torch.testing.assert_close(noise.delta[0], torch.full((3, 8, 8), EPSILON))


def test_classes_without_pictures_keep_their_noise(data):
    named = Examples(data.images, data.labels, data.ids, (*data.classes, "nobody"))
    noise = CLASS.generate(named, fresh(4), seed=0)
    assert (noise.delta[3] == 0).all()
    assert (noise.delta[:3].abs().amax((1, 2, 3)) > 0).all()


def test_a_class_absent_from_a_batch_keeps_its_noise(data):
    """Batches of one example: each class's δ is what its own pictures made of it, one after the other."""
    method = replace(CLASS, fit_steps=0, rounds=1, delta_batch=1, subset=1.0)
    noise = method.generate(data, unfitted(network()), seed=0)
    assert (noise.delta.abs().amax((1, 2, 3)) > 3 * EPSILON / 10).all(), "less than a few steps are left"


def test_enough_stops_exactly_those_whose_loss_is_no_larger(data):
    model = network()
    with torch.no_grad():
        losses = F.cross_entropy(model.eval()(data.images.float() / 255), data.labels, reduction="none")
    limit = float(losses.median())
    method = replace(SAMPLE, fit_steps=0, rounds=1, enough=limit)
    noise = method.generate(data, unfitted(model), seed=0)
    assert (noise.delta.abs().amax((1, 2, 3)) > 0).equal(losses > limit)
    every = replace(method, enough=None).generate(data, unfitted(model), seed=0)
    assert noise.provenance["steps_taken"] < every.provenance["steps_taken"] == 5 * len(data)


def test_it_stops_at_the_error_asked_for_and_tells_every_round(data):
    heard = []
    method = replace(CLASS, rounds=9, stop_error=1.0)
    noise = method.generate(data, fresh(), seed=0, on_round=lambda number, error, delta: heard.append((number, error)))
    assert heard == [(0, noise.provenance["errors"][0])]
    assert replace(CLASS, rounds=0).generate(data, fresh(), seed=0).provenance["errors"] == []


@pytest.mark.parametrize("shuffle", [True, False])
def test_fitting_sees_every_picture_before_it_sees_one_twice(data, shuffle):
    """Next(x, y) of Algorithm 1 goes on across rounds."""
    seen, model = [], network()

    def fit(x, labels):
        seen.append(labels)
        return torch.zeros(len(x))

    learner = replace(unfitted(model), fit=fit)
    replace(CLASS, fit_steps=1, rounds=6, shuffle=shuffle).generate(data, learner, seed=0)
    for epoch in (torch.cat(seen[:3]), torch.cat(seen[3:])):
        assert torch.bincount(epoch).tolist() == [8, 8, 8]
    assert torch.cat(seen[:3]).equal(torch.cat(seen[3:])) is not shuffle


class Killed(Exception):
    pass


@FORMS
@pytest.mark.parametrize("at", [0, 2, 5])
def test_a_killed_run_goes_on_to_the_same_bytes(data, method, at, tmp_path):
    kept = replace(method, checkpoint=tmp_path / "job.safetensors")

    def kill(number, error, delta):
        if number == at:
            raise Killed

    whole_learner, learner = fresh(), fresh()
    whole = method.generate(data, whole_learner, seed=3)
    with pytest.raises(Killed):
        kept.generate(data, fresh(), seed=3, on_round=kill)
    heard = []
    again = kept.generate(shuffled(data), learner, seed=3, on_round=lambda number, *_: heard.append(number))
    assert heard == list(range(at + 1, 6))
    assert again.delta.numpy().tobytes() == whole.delta.numpy().tobytes()
    assert again.provenance == whole.provenance
    for name, value in whole_learner.state().items():
        assert learner.state()[name].equal(value), name


def test_another_jobs_checkpoint_is_refused(data, tmp_path):
    kept = replace(CLASS, rounds=1, checkpoint=tmp_path / "job.safetensors")
    kept.generate(data, fresh(), seed=0)
    brighter = Examples(data.images // 2, data.labels, data.ids, data.classes)
    for method, other, seed in ((kept, data, 1), (replace(kept, steps=2), data, 0), (kept, brighter, 0)):
        with pytest.raises(StoreError, match="was left by another job"):
            method.generate(other, fresh(), seed=seed)
    with pytest.raises(StoreError, match="was left by another job"):
        kept.generate(data, replace(fresh(), model=network(3, 8).append(nn.Linear(3, 3))), seed=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"form": "both"}, "'both' is unknown"),
        ({"update": "median"}, "'median' is unknown"),
        ({"form": "sample", "patch": (4, 4)}, "class-wise"),
        ({"enough": 0.1}, "use form 'sample'"),
    ],
)
def test_settings_that_do_not_go_together(settings, words):
    with pytest.raises(UsageError, match=words):
        ErrorMin(**settings)


def test_noise_is_looked_up_by_name(data):
    noise = replace(CLASS, rounds=1).generate(data, fresh(), seed=0)
    assert noise.for_batch(["c2", "c0", "c2"]).equal(noise.delta[[2, 0, 2]])
    with pytest.raises(StoreError, match="no entry 'nobody'"):
        noise.for_batch(["c0", "nobody"])
    assert noise.budget == Budget(EPSILON)


@pytest.mark.parametrize("form", ["class", "sample"])
def test_a_random_start_is_seeded_shaped_and_mostly_at_the_bound(data, form):
    def even(delta):
        return delta.mean((-2, -1), keepdim=True).expand_as(delta)

    method = ErrorMin(form=form, fit_steps=0, rounds=0, shape=even, start="random")
    made = [method.generate(data, unfitted(network()), seed=seed).delta for seed in (0, 0, 1)]
    assert made[0].equal(made[1])
    assert not made[0].equal(made[2])
    torch.testing.assert_close(made[0], even(made[0]))
    assert made[0].abs().max() <= EPSILON + 1e-7
    assert (made[0].abs() > 0.99 * EPSILON).float().mean() > 0.3


def test_another_start_is_refused():
    with pytest.raises(UsageError, match="start 'ones' is unknown; use 'zero' or 'random'"):
        ErrorMin(start="ones")
