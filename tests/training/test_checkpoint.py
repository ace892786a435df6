"""A killed run that is started again ends with the very bytes of one that was not; other runs' files are refused."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from faceshield.core.errors import StoreError
from faceshield.core.store import read_tensors, write_tensors
from faceshield.data.augment import crop_and_flip
from faceshield.data.examples import Examples
from faceshield.training.adversarial import Adversary
from faceshield.training.checkpoint import describe, digest, restore, state
from faceshield.training.history import History
from faceshield.training.loop import build_seeded, train
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)


class Killed(BaseException):
    """As sudden as a signal: nothing in between catches it."""


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return Examples(images, torch.arange(50) % 3, tuple(map(str, range(50))), ("a", "b", "c"))


def network(seed=0, width=4):
    def build():
        first = [nn.Conv2d(3, width, 3, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*first, nn.Linear(9 * width, 3))

    return build_seeded(build, seed)


def run(data, path=None, *, model=None, **options):
    """(weights as bytes, history, final model) of a short run with everything that draws numbers."""
    model = network() if model is None else model
    settings = {"epochs": 4, "seed": 1, "batch": 16, "lr": 0.05, "clip": 1.0, "adversary": Adversary(steps=1)}
    settings["test"] = lambda model: float(model[-1].weight.detach().sum())
    history = train(model, data, RUNTIME, checkpoint=path, **(settings | options))
    return digest(model.state_dict().values()), history


def killing_after(batches):
    """crop_and_flip, until it is called once more than ``batches`` times."""
    left = [batches]

    def augment(images, generator):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return crop_and_flip(images, generator)

    return augment


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "steps"])
def test_resumed_equals_uninterrupted(data, tmp_path, schedule, monkeypatch):
    options = {"schedule": schedule, "milestones": (2,) if schedule == "steps" else ()}
    whole = run(data, **options)
    path = tmp_path / "run.safetensors"
    # the same name in another's place, so that the configuration is the same
    monkeypatch.setattr("faceshield.training.checkpoint.describe", lambda call: type(call).__name__)
    told = []
    for batches in (0, 3, 4, 6):  # before anything, inside an epoch, at its end, and inside the next one
        with pytest.raises(Killed):
            run(data, path, augment=killing_after(batches), on_epoch=lambda epoch, loss: told.append(epoch), **options)
    assert told == [0, 1]
    assert run(data, path, on_epoch=lambda epoch, loss: told.append(epoch), **options) == whole
    assert told == [0, 1, 2, 3]
    assert run(data, path, augment=killing_after(0), **options) == whole, "a finished run was run again"


def test_written_again_when_enough_seconds_have_passed(data, tmp_path, monkeypatch):
    path, found, now = tmp_path / "run.safetensors", [], [0.0]
    monkeypatch.setattr("faceshield.training.loop.time.monotonic", lambda: now[0])

    def look(epoch, loss):
        found.append(len(read_tensors(path)[1]["history"]["train_loss"]) if path.exists() else 0)
        now[0] += 10

    run(data, path, epochs=6, every=20, on_epoch=look)
    assert found == [0, 0, 2, 2, 4, 4]
    assert len(read_tensors(path)[1]["history"]["train_loss"]) == 6
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    run(data, tmp_path / "none.safetensors", every=1000)
    assert not (tmp_path / "none.safetensors").exists()


def test_curves_of_classes_and_seconds_outlive_a_kill(data, tmp_path):
    path, shares = tmp_path / "run.safetensors", [0.25, 0.75, float("inf")]

    def kill(epoch, loss):
        if epoch == 2:
            raise Killed

    whole = run(data, test=lambda model: (0.5, shares))[1]
    assert whole.class_curves == tuple((share,) * 4 for share in shares)
    assert whole.seconds > 0
    with pytest.raises(Killed):
        run(data, path, test=lambda model: (0.5, shares), on_epoch=kill)
    kept = History.read(read_tensors(path)[1]["history"])
    assert (len(kept), kept.class_curves) == (2, tuple((share,) * 2 for share in shares))
    again = run(data, path, test=lambda model: (0.5, shares))[1]
    assert again == whole
    assert again.seconds > kept.seconds > 0


def test_a_history_of_an_older_file_has_no_curves_of_classes():
    assert History.read({"train_loss": [1.0], "test_accuracy": [0.5]}) == History((1.0,), (0.5,))
    assert History.read({"accuracy": 0.5}) == History()


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    run(data, path)
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.1}, r"lr 0\.05 instead of 0\.1"),
        ({"epochs": 9}, "epochs 4 instead of 9"),
        ({"seed": 2}, "seed 1 instead of 2"),
        ({"batch": 8, "clip": None}, r"batch 16 instead of 8, clip 1\.0 instead of None"),
        ({"schedule": "cosine"}, "schedule one-cycle instead of cosine"),
        ({"augment": partial(crop_and_flip, pad=2)}, r"augment <function crop_and_flip> instead of .*pad=2"),
        ({"adversary": Adversary(steps=2)}, r"adversary Adversary\(.*steps=1\) instead of .*steps=2"),
    ],
)
def test_a_run_with_other_settings_is_refused(data, finished, options, message):
    before = finished.read_bytes()
    with pytest.raises(StoreError, match=f"is of another run .*{message}.*; delete it or name another file"):
        run(data, finished, **options)
    assert finished.read_bytes() == before


def test_other_data_and_other_initial_weights_are_refused(data, finished):
    other = Examples(data.images.flip(0), data.labels, data.ids, data.classes)
    with pytest.raises(StoreError, match=r"data .* instead of"):
        run(other, finished)
    for model in (network(1), network(0, 6)):
        with pytest.raises(StoreError, match=r"initial_weights .* instead of"):
            run(data, finished, model=model)


def test_files_that_are_no_whole_checkpoint(data, finished, tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(finished.read_bytes()[:-100])
    with pytest.raises(StoreError, match="is not a whole safetensors file"):
        run(data, path)
    tensors, metadata = read_tensors(finished)
    write_tensors(path, tensors, {"by": "someone else"})
    with pytest.raises(StoreError, match="is no training checkpoint"):
        run(data, path)
    for missing in ("generator", "model.4.bias"):
        write_tensors(path, {name: value for name, value in tensors.items() if name != missing}, metadata)
        with pytest.raises(StoreError, match=missing.removeprefix("model.")):
            run(data, path)


@pytest.mark.parametrize("make", [partial(torch.optim.SGD, momentum=0.9), torch.optim.Adam])
def test_a_restored_optimiser_takes_the_step_it_would_have_taken(make):
    def steps(model, optimizer, count):
        for number in range(count):
            optimizer.zero_grad()
            model(torch.full((2, 3), 1.0 + number)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = make(model.parameters(), lr=0.01)
    fresh = state(model, optimizer)
    steps(model, optimizer, 2)
    kept = state(model, optimizer)
    steps(model, optimizer, 2)
    expected = state(model, optimizer)
    restore(model, optimizer, kept)
    steps(model, optimizer, 2)
    again = state(model, optimizer)
    assert expected.keys() == again.keys()
    assert not any(name.startswith("optimizer.") for name in fresh)
    assert all(expected[name].equal(again[name]) for name in expected)
    restore(model, optimizer, fresh)
    assert state(model, optimizer).keys() == fresh.keys(), "the old momentum was left behind"


def test_the_state_is_a_copy_and_a_misfit_changes_nothing():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    kept = state(model, optimizer)
    before = kept["model.weight"].clone()
    with torch.no_grad():
        model.weight.add_(1)
    assert kept["model.weight"].equal(before)
    with pytest.raises(StoreError, match=r"weight is \(2, 2\) in the model and \(2, 3\) in the stored state"):
        restore(model, optimizer, kept | {"model.weight": torch.zeros(2, 3)})
    with pytest.raises(StoreError, match=r"extra is absent in the model and \(1,\) in the stored state"):
        restore(model, optimizer, kept | {"model.extra": torch.zeros(1)})
    assert model.weight.equal(before + 1)


def test_descriptions_have_no_addresses_and_tell_settings_apart():
    def composed(*parts):
        return lambda images, generator: [part(images, generator) for part in parts]

    calls = [crop_and_flip, partial(crop_and_flip, pad=0), Adversary(), Adversary(steps=3)]
    calls += [composed(crop_and_flip), composed(crop_and_flip, partial(crop_and_flip, pad=1)), Killed]
    words = [describe(call) for call in calls]
    assert len(set(words)) == len(words)
    assert not any("0x" in word for word in words)
    assert describe(composed(crop_and_flip)) == words[4]


def test_digests_tell_values_shapes_and_types_apart():
    parts = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(4, dtype=torch.int32), torch.ones(4), torch.tensor(0.0)]
    assert len({digest([part]) for part in parts}) == len(parts)
    square = torch.arange(6.0).view(2, 3)
    assert digest([square.t()]) == digest([square.t().contiguous()])
    assert digest([square, square[:1]]) != digest([square[:1], square])
