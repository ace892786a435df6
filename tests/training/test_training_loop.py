"""The loop learns, repeats itself, and leaves torch's global state alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faceshield.data.examples import Examples
from faceshield.models.resnet import resnet18
from faceshield.training.loop import predict, seeded, train
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
    return seeded(lambda: resnet18(2, width=4, stem="stride2"), seed)


def test_it_learns_and_tells_every_epoch(data):
    told = []
    model = network()
    train(model, data, RUNTIME, epochs=4, seed=0, batch=16, on_epoch=lambda *said: told.append(said))
    assert [epoch for epoch, _ in told] == [0, 1, 2, 3]
    assert told[-1][1] < told[0][1] / 2
    assert not model.training
    assert float((predict(model, data.images, RUNTIME) == data.labels).float().mean()) > 0.95


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data):
    def weights(seed):
        model = network()
        train(model, data, RUNTIME, epochs=1, seed=seed, batch=16)
        return torch.cat([value.flatten().float() for value in model.state_dict().values()])

    assert weights(0).equal(weights(0))
    assert not weights(0).equal(weights(1))


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
