"""The loop learns, repeats itself, hands each argument what it asks for, and leaves torch's global state alone."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.data.mixing import cutmix, mixup
from faceshield.evaluation.accuracy import evaluate
from faceshield.models.resnet import resnet18
from faceshield.training.history import History
from faceshield.training.loop import build_seeded, predict, train
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def data():
    """Two classes that differ in brightness, too noisy for a single pixel to tell."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(2).repeat_interleave(30)
    noise = torch.randint(0, 100, (60, 3, 16, 16), generator=generator)
    images = (noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return Examples(images, labels, tuple(map(str, range(60))), ("dark", "bright"))


def network(seed=0):
    return build_seeded(lambda: resnet18(2, width=4, stem="stride2"), seed)


def test_it_learns_and_tells_every_epoch(data):
    told = []
    model = network()
    train(model, data, RUNTIME, epochs=4, seed=0, batch=16, on_epoch=lambda *said: told.append(said))
    assert [epoch for epoch, _ in told] == [0, 1, 2, 3]
    assert told[-1][1] < told[0][1] / 2
    assert not model.training
    assert float((predict(model, data.images, RUNTIME) == data.labels).float().mean()) > 0.95


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data):
    def trained(seed):
        model = network()
        train(model, data, RUNTIME, epochs=1, seed=seed, batch=16)
        return weights(model)

    first = trained(0)
    assert first.equal(trained(0))
    assert not first.equal(trained(1))


def test_on_epoch_hears_a_model_in_eval_mode_and_training_goes_on(data):
    model, modes = network(), []
    train(model, data, RUNTIME, epochs=2, seed=0, on_epoch=lambda epoch, loss: modes.append(model.training))
    assert modes == [False, False]
    counts = {int(value) for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counts == {2}, "batch norm did not see one batch an epoch in train mode"


def test_every_example_is_seen_once_an_epoch(data):
    seen = []

    def watch(images, generator):
        seen.append(images)
        return images

    train(network(), data, RUNTIME, epochs=2, seed=0, batch=25, augment=watch)
    for epoch in (torch.cat(seen[:3]), torch.cat(seen[3:])):
        assert sorted(epoch.float().mean((1, 2, 3)).tolist()) == sorted(data.images.float().mean((1, 2, 3)).tolist())
    assert not torch.cat(seen[:3]).equal(torch.cat(seen[3:]))


def test_seeded_leaves_torchs_own_state_alone():
    state = torch.get_rng_state()
    first, second, other = network(0), network(0), network(1)
    assert torch.get_rng_state().equal(state)
    pairs = list(zip(first.parameters(), second.parameters(), other.parameters(), strict=True))
    assert all(a.equal(b) for a, b, _ in pairs)
    assert any(not a.equal(c) for a, _, c in pairs)


def test_predict_is_the_class_of_the_largest_logit_in_any_batch_size():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    images = torch.randint(0, 256, (10, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images.float() / 255).argmax(1)
    for batch in (1, 3, 10, 99):
        assert predict(model, images, RUNTIME, batch).equal(expected)
    assert not predict(model, images, RUNTIME).requires_grad


def weights(model):
    return torch.cat([value.detach().flatten().float() for value in model.state_dict().values()])


def test_the_default_run_is_the_one_written_out_with_torchs_own_parts(data):
    """Stored results were made by this very order of draws and steps."""
    model, reference = network(), RUNTIME.place(network())
    train(model, data, RUNTIME, epochs=2, seed=3, batch=16)
    rng = generator(3, "train")
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=8, pct_start=0.2)
    for _ in range(2):
        reference.train()
        for index in torch.randperm(60, generator=rng).split(16):
            x = crop_and_flip(data.images[index], rng).float() / 255
            loss = F.cross_entropy(reference(x.contiguous(memory_format=RUNTIME.layout(reference))), data.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    assert weights(model).equal(weights(reference))


def test_handwritten_digits_are_learnt_in_seconds():
    """scikit-learn's digits at 16 pixels: what the network has not seen, it reads."""
    pixels, labels = load_digits(return_X_y=True)
    small = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) * (255 / 16)
    images = F.interpolate(small, (16, 16), mode="bilinear").to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    every = Examples(images, torch.from_numpy(labels), tuple(map(str, range(len(images)))), tuple("0123456789"))
    hidden = torch.arange(len(every)) % 4 == 0
    model = build_seeded(lambda: resnet18(10, width=8, stem="stride2"), 0)
    history = train(
        model,
        every.select(~hidden),
        RUNTIME,
        epochs=3,
        seed=0,
        augment=partial(crop_and_flip, pad=1, flip=0.0),
        test=lambda model: evaluate(partial(predict, model, runtime=RUNTIME), every.select(hidden)).accuracy,
    )
    assert len(history) == len(history.test_accuracy) == 3
    assert history.test_accuracy_peak >= history.test_accuracy_final > 0.9
    assert history.train_loss[-1] < history.train_loss[0] / 2


@pytest.mark.parametrize("schedule", ["cosine", "steps"])
def test_other_schedules_learn_too(data, schedule):
    model = network()
    history = train(model, data, RUNTIME, epochs=4, seed=0, batch=16, lr=0.05, schedule=schedule, milestones=(3,))
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert float((predict(model, data.images, RUNTIME) == data.labels).float().mean()) > 0.9


def test_a_rate_of_nothing_after_a_milestone_moves_nothing(data):
    """Milestones count epochs: from the second on the rate here is 1e-30 of the first's."""
    after = []
    for epochs in (1, 2):
        model = network()
        milestones = (1,) * 30
        train(model, data, RUNTIME, epochs=epochs, seed=0, batch=16, schedule="steps", milestones=milestones)
        after.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert after[0].equal(after[1])


def test_clipping_bounds_the_step(data):
    moved = []
    for clip in (None, 1e-3):
        model = network()
        before = torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])
        options = {"lr": 1.0, "weight_decay": 0.0, "nesterov": False, "schedule": "cosine", "clip": clip}
        train(model, data, RUNTIME, epochs=1, seed=0, batch=60, **options)
        moved.append(float((torch.cat([p.detach().flatten() for p in model.parameters()]) - before).norm()))
    assert moved[1] == pytest.approx(1e-3, rel=0.02)
    assert moved[0] > 0.02


def test_mix_gets_float_pictures_and_its_soft_labels_are_learnt(data):
    """Labels swapped by ``mix`` are what the network learns."""
    seen = []

    def swap(images, labels, classes, generator):
        seen.append((images.dtype, float(images.max()) <= 1, classes, labels.dtype))
        return images, F.one_hot(1 - labels, classes).float()

    model = network()
    train(model, data, RUNTIME, epochs=4, seed=0, batch=16, mix=swap)
    assert set(seen) == {(torch.float32, True, 2, torch.int64)}
    assert float((predict(model, data.images, RUNTIME) == data.labels).float().mean()) < 0.05


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_mixed_pictures_are_learnt_from_the_same_way_each_time(data, mix):
    models = network(), network()
    for model in models:
        train(model, data, RUNTIME, epochs=8, seed=0, batch=16, lr=0.05, mix=mix)
    assert weights(models[0]).equal(weights(models[1]))
    assert float((predict(models[0], data.images, RUNTIME) == data.labels).float().mean()) > 0.9


def test_the_adversary_meets_a_frozen_model_and_its_pictures_are_learnt_from(data):
    """Pictures made black by the adversary teach nothing about brightness; what it is handed is counted."""
    model, seen = network(), []

    def black(forward, images, labels, generator):
        frozen = not any(parameter.requires_grad for parameter in model.parameters())
        seen.append((frozen, model.training, tuple(forward(images).shape) == (len(labels), 2)))
        return torch.zeros_like(images)

    history = train(model, data, RUNTIME, epochs=2, seed=0, batch=15, adversary=black)
    assert seen == [(True, False, True)] * 8
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert history.train_loss[-1] > 0.5
    counts = {int(value) for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counts == {8}, "batch norm saw the adversary's own batches, or none in train mode"


def test_histories_without_a_test_have_no_accuracy(data):
    history = train(network(), data, RUNTIME, epochs=1, seed=0)
    assert len(history) == 1
    for name in ("test_accuracy_peak", "test_accuracy_final"):
        with pytest.raises(UsageError, match="this run has no test accuracy; give train a test"):
            getattr(history, name)
    history = History((1.0,), (0.5,)).append(0.5, 0.9).append(0.4, 0.3)
    assert (history.test_accuracy_peak, history.test_accuracy_final) == (0.9, 0.3)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}])
def test_numbers_below_one(data, wrong):
    with pytest.raises(UsageError, match="each must be at least 1"):
        train(network(), data, RUNTIME, **({"epochs": 1, "seed": 0} | wrong))
    with pytest.raises(UsageError, match="0 examples"):
        train(network(), data.select(data.labels > 5), RUNTIME, epochs=1, seed=0)
