"""Two processes on this machine, joined as torchrun joins them, do what one process does."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.multiprocessing as mp
from click.testing import CliRunner
from torch import nn

from faceshield.cli.main import main
from faceshield.core import store
from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.ranks import ALONE
from faceshield.core.store import read_tensors, write_bytes, write_tensors
from faceshield.core.types import Noise
from faceshield.data.sources import open_data
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import accuracy
from faceshield.noise.error_min import ErrorMin
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded, predict, train
from faceshield.training.parallel import share_batches
from faceshield.training.runtime import Runtime

BUDGET = Budget(96 / 255)  # digits are nearly black and white
CLASS = ErrorMin(
    budget=BUDGET, alpha=BUDGET.epsilon / 5, batch=40, delta_batch=150, fit_steps=6, subset=1.0, rounds=1,
    stop_error=-1.0,
)  # fmt: skip
SAMPLE = replace(CLASS, form="sample", delta_batch=30)
FIRST = {"class": CLASS, "sample": SAMPLE, "sequential": replace(CLASS, update="sequential")}
WHOLE = {
    "class": replace(CLASS, rounds=4, steps=4, fit_steps=8, delta_batch=50),
    "sample": replace(SAMPLE, rounds=3, steps=8, fit_steps=8, enough=0.02),
}


def as_they_are(images, rng):
    return images


RECIPE = {
    "id": "tiny", "claim": "It runs.", "experiment": "classify", "seeds": [0],
    "matrix": [{"noise": ["error-min"], "form": ["class"]}],
    "settings": {
        "data": "digits", "size": 32, "limit": 4, "test_limit": 2, "model": "vgg11", "width": 2, "epochs": 1,
        "batch": 40, "lr": 0.1, "augment": "none", "generate": {"error-min class": {"rounds": 1, "fit_steps": 1}},
    },
    "scales": {"smoke": {}},
}  # fmt: skip
TRAINING = {"epochs": 2, "seed": 3, "batch": 40, "augment": as_they_are, "clip": 1.0}


def digits(split, limit):
    return open_data("digits", split, 8, limit).sort()


def network(seed=0):
    """Convolutions and batch norms in two dimensions, and a batch norm in one."""

    def build():
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(128, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Linear(32, 10),
        )  # fmt: skip

    return build_seeded(build, seed)


def watched(made, seen):
    """``made``, whose every picture that a step of δ is taken for is added to ``seen``."""

    def frozen():
        network = made.frozen()

        def forward(batch):
            if batch.requires_grad:
                seen.append((batch.detach() * 255).round().byte())
            return network(batch)

        return forward

    return replace(made, frozen=frozen)


def jobs(runtime, folder):
    """What a process is left with after each job, by name."""
    data, out = digits("train", 15), {}
    for name, method in FIRST.items():
        made, seen = learner(network(), runtime), []
        noise = method.generate(data, watched(made, seen), seed=1)
        out |= {f"first.{name}.θ.{key}": value for key, value in made.state().items()}
        out |= {f"first.{name}.δ": noise.delta, f"first.{name}.seen": torch.cat(seen)}
        out[f"first.{name}.taken"] = torch.tensor(noise.provenance["steps_taken"])
    for name, method in WHOLE.items():
        out[f"whole.{name}"] = method.generate(data, learner(network(), runtime), seed=1).delta
    kept = replace(WHOLE["class"], checkpoint=folder / "checkpoint.safetensors")
    with pytest.raises(InterruptedError):
        kept.generate(data, learner(network(), runtime), seed=1, on_round=interrupted)
    out["resumed"] = kept.generate(data, learner(network(), runtime), seed=1).delta
    model = network()
    history = train(model, data, runtime, checkpoint=folder / "training.safetensors", **TRAINING)
    out |= {f"trained.{key}": value for key, value in model.state_dict().items()}
    out["losses"] = torch.tensor(history.train_loss)
    few = learner(network()[:5], runtime)  # of one row the second process has none
    out["few"] = few.fit(digits("train", 15).images[:1].float() / 255, torch.tensor([3]))
    return out | {f"few.{key}": value for key, value in few.state().items()}


def interrupted(number, error, delta):
    if number == 2:
        raise InterruptedError


def process(rank, port, folder):
    torch.set_num_threads(1)
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test", "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    runtime = Runtime.best("cpu", "float32")
    assert runtime.describe().endswith("2 processes")
    out = jobs(runtime, folder)
    written = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write_bytes", lambda path, *more: written.append(path.name) or write_bytes(path, *more))
        places = ["--results", folder / "results", "--work", folder / "work"]
        ran = CliRunner().invoke(
            main, ["recipes", "run", str(folder / "tiny.yaml"), "--scale", "smoke", *map(str, places)]
        )
    told = {"code": ran.exit_code, "printed": ran.stdout, "said": ran.stderr, "written": written}
    write_tensors(folder / f"{rank}.safetensors", out, told)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The tensors that each of two processes was left with, and what it told of a recipe."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "tiny.yaml").write_text(json.dumps(RECIPE), encoding="utf-8")  # JSON is YAML
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    mp.spawn(process, (port, folder), nprocs=2)
    return [read_tensors(folder / f"{rank}.safetensors") for rank in range(2)]


@pytest.fixture(scope="module")
def two(told):
    return [tensors for tensors, _ in told]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return jobs(Runtime.best("cpu", "float32"), tmp_path_factory.mktemp("one"))


@pytest.mark.slow
def test_both_processes_hold_the_same_bits(one, two):
    assert set(two[0]) == set(one)
    for name in one.keys() - {name for name in one if name.endswith("seen")}:
        assert two[0][name].equal(two[1][name]), name


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_one_round_is_that_of_one_process(one, two, name):
    prefix = f"first.{name}.θ."
    thetas = [key for key in one if key.startswith(prefix)]
    assert len(thetas) > 14
    for key in thetas:
        torch.testing.assert_close(two[0][key], one[key], rtol=0, atol=1e-5)
    assert one[f"{prefix}model.0.weight"].sub(network()[0].weight).abs().max() > 1e-3, "θ was fitted"
    # a gradient of about 0 may have either sign, and its pixel then differs by two steps
    differs = (two[0][f"first.{name}.δ"] - one[f"first.{name}.δ"]).abs() > 1e-5
    assert float(differs.float().mean()) < 0.01
    assert two[0][f"first.{name}.taken"] == one[f"first.{name}.taken"] == 150


@pytest.mark.slow
@pytest.mark.parametrize("name", ["class", "sample"])
def test_every_example_is_perturbed_exactly_once(two, name):
    shares = [rank[f"first.{name}.seen"] for rank in two]
    assert [len(share) for share in shares] == [75, 75]
    seen = torch.cat(shares).flatten(1)
    images = digits("train", 15).images.flatten(1)
    assert torch.cdist(images.float(), seen.float()).eq(0).sum(1).tolist() == [1] * 150


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_the_protection_is_that_of_one_process(one, two, name):
    data, test = digits("train", 15), digits("test", 40)
    runtime = Runtime.best("cpu", "float32")

    keys = data.classes if name == "class" else data.ids

    def accuracies(delta):
        """Of networks trained on the pictures with the noise, on clean ones."""
        noisy = data if delta is None else unlearnable(data, Noise(delta, name, keys, BUDGET, {}))
        for seed in range(8):
            model = network(seed + 1)  # not the surrogate
            train(model, noisy, runtime, **{**TRAINING, "seed": seed, "epochs": 8})
            yield accuracy(predict(model, test.images, runtime), test.labels)

    clean, alone, together = (
        torch.tensor(list(accuracies(delta))) for delta in (None, one[f"whole.{name}"], two[0][f"whole.{name}"])
    )
    assert abs(alone.mean() - together.mean()) <= 0.02
    assert together.mean() < clean.mean() - 0.08


@pytest.mark.slow
def test_two_processes_go_on_from_their_checkpoint(two):
    assert two[0]["resumed"].equal(two[0]["whole.class"])


@pytest.mark.slow
def test_training_is_that_of_one_process(one, two):
    for key in (key for key in one if key.startswith(("trained.", "few")) or key == "losses"):
        torch.testing.assert_close(two[0][key], one[key], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_of_a_recipe_the_first_process_alone_writes_and_speaks(told):
    first, second = (about for _, about in told)
    assert [first["code"], second["code"]] == [0, 0], first["said"]
    assert first["printed"].endswith("tiny.smoke.json\n")
    assert "cell 1 of 1" in first["said"]
    assert (second["printed"], second["said"], second["written"]) == ("", "", [])
    # the noise's progress after its only round, the noise, the network trained on it, the cell, and the result, which
    # is written again with its figures' names
    assert sorted(Counter(first["written"]).values()) == [1, 1, 1, 1, 2]


def test_whole_batch_norm_is_torchs():
    theirs, ours = network(), network()
    names = list(ours.state_dict())
    share_batches(ours, ALONE)
    assert list(ours.state_dict()) == names
    images = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 10  # a mean beside a small variance
    for _ in range(2):
        outputs = [model(images) for model in (theirs, ours)]
        for output in outputs:
            output.square().sum().backward()
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-4)
    # a bias before a batch norm has the gradient 0: a sum of large terms that cancel, and no surer than they are
    largest = max(float(parameter.grad.abs().max()) for parameter in theirs.parameters())
    for one_, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one_.grad, other.grad, rtol=1e-3, atol=1e-4 * largest)
    for one_, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one_, other)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_a_device_for_all_processes_is_refused(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "test", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="'cuda:0' would be shared by all of torchrun's processes; use --device cuda"):
        Runtime.best("cuda:0")
