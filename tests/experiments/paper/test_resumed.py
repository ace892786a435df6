"""A cell that was killed goes on inside its training: the same bytes, the same curves, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from faceshield.core.store import read_tensors
from faceshield.data.sources import open_data
from faceshield.experiments.engine.context import Context
from faceshield.experiments.paper import network as fitting
from faceshield.experiments.paper.classify import EXPERIMENT, ClassifySettings
from faceshield.experiments.paper.network import Training
from faceshield.experiments.paper.network_cache import find_network_path, train_once
from faceshield.training.adversarial import Adversary
from faceshield.training.checkpoint import digest

classify = EXPERIMENT.run

SETTINGS = {
    "data": "digits", "size": 8, "limit": 10, "test_limit": 6, "width": 2, "epochs": 4, "lr": 0.1, "batch": 16,
}  # fmt: skip
ERROR_MAX = {"noise": "error-max", "form": "class"}


ASKED = {"capture_output": True, "text": True, "check": True}


class Killed(BaseException):
    """As sudden as a signal: nothing in between catches it."""


@pytest.fixture
def killed(monkeypatch):
    """Each training dies in its third epoch's callback; returns the epochs that were begun. Every epoch is kept."""
    told = []

    def epochs(context, last):
        def tell(epoch, loss):
            told.append(epoch)
            if epoch == 2:
                raise Killed

        return tell

    monkeypatch.setattr(fitting, "CHECKPOINT_S", 0)
    monkeypatch.setattr(Context, "epochs", epochs)
    return told


def both():
    return open_data("digits", "train", 8, 10).sort(), open_data("digits", "test", 8, 6)


def resumed(killed, monkeypatch, job):
    """``job()`` after it was killed once; the epochs that the second call ran."""
    with pytest.raises(Killed):
        job()
    killed.clear()
    monkeypatch.setattr(Context, "epochs", lambda context, last: lambda epoch, loss: killed.append(epoch))
    return job()


@pytest.mark.parametrize(
    ("augment", "adversary"),
    [
        ("cutout", None),
        pytest.param("mixup", None, marks=pytest.mark.slow),
        pytest.param("none", Adversary(steps=1), marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_ends_as_if_it_had_not_been(context, killed, monkeypatch, tmp_path, augment, adversary):
    own = ClassifySettings.model_validate({**SETTINGS, "augment": augment})
    job = Training(*both(), own, 0, adversary)
    path = find_network_path(job, context)
    progress = path.with_suffix(".progress.safetensors")

    made = resumed(killed, monkeypatch, lambda: train_once(job, context))
    assert killed == [2, 3], "it began anew"
    assert not progress.exists()
    whole = fitting.fit_network(job, context)
    assert digest(made.model.state_dict().values()) == digest(whole.model.state_dict().values())
    assert made.history == whole.history
    assert [len(curve) for curve in made.history.class_curves] == [4] * 10
    assert read_tensors(path)[1]["seconds"] == made.history.seconds > 0


@pytest.mark.slow
def test_the_network_for_error_max_goes_on_too(context, killed, monkeypatch):
    settings = {**SETTINGS, "surrogate_epochs": 4, "generate": {"error-max class": {"passes": 1}}}
    resumed(killed, monkeypatch, lambda: classify(ERROR_MAX, 0, settings, context))
    assert killed == [2, 3, 0, 1, 2, 3], "the surrogate's last two epochs, then the collector's training"
    assert not list(context.work.glob("*.progress.*"))
    (kept,) = context.work.glob("trained-*.safetensors")
    assert len(read_tensors(kept)[1]["train_loss"]) == 4


def test_the_networks_along_a_training_are_kept_and_it_goes_on_too(context, killed, monkeypatch):
    """SEP's: the second and the last of four epochs, against the training that was never killed; TAP's is the last."""
    settings = {**SETTINGS, "limit": 4, "surrogate_epochs": 4, "epochs": 1, "generate": {
        "sep sample": {"checkpoints": 2, "steps": 2}, "tap sample": {"steps": 1}}}  # fmt: skip
    resumed(killed, monkeypatch, lambda: classify({"noise": "sep", "form": "sample"}, 0, settings, context))
    assert killed == [2, 3, 0], "the surrogate's last two epochs, then the collector's training"
    assert not list(context.work.glob("*.progress.*"))
    kept = {path.name.split(".")[1]: read_tensors(path)[0] for path in context.work.glob("trained-*.epoch*")}
    assert set(kept) == {"epoch1", "epoch3"}
    classify({"noise": "tap", "form": "sample"}, 0, settings, context)
    (last,) = (path for path in context.work.glob("trained-*.safetensors") if ".epoch" not in path.name)
    assert digest(read_tensors(last)[0].values()) == digest(kept["epoch3"].values())
    assert digest(kept["epoch1"].values()) != digest(kept["epoch3"].values())


def test_a_small_network_is_not_written_after_each_epoch(context, monkeypatch):
    written = []
    monkeypatch.setattr("faceshield.training.checkpoint.write_tensors", lambda *of: written.append(of))
    train_once(Training(*both(), ClassifySettings.model_validate(SETTINGS), 0), context)
    assert written == []


def test_a_network_of_an_older_version_is_read(context):
    """Its curves stood beside the history in the file; they still do."""
    job = Training(*both(), ClassifySettings.model_validate(SETTINGS), 0)
    made = train_once(job, context)
    told = read_tensors(find_network_path(job, context))[1]
    assert set(told) == {"train_loss", "test_accuracy", "class_curves", "seconds"}
    assert tuple(map(tuple, told["class_curves"])) == made.history.class_curves


@pytest.mark.slow
def test_what_a_checkpoint_tells_of_its_run_is_the_same_in_another_process():
    """No address and no order of a hash: else a killed run's file would be another run's."""
    told = (
        "import json; from faceshield.experiments.paper.network import AUGMENT_AND_MIX;"
        "from faceshield.training.adversarial import Adversary; from faceshield.training.checkpoint import describe;"
        "calls = [call for pair in AUGMENT_AND_MIX.values() for call in pair if call] + [Adversary()];"
        "print(json.dumps([describe(call) for call in calls]))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", told], env={**os.environ, "PYTHONHASHSEED": seed}, **ASKED).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    words = json.loads(runs[0])
    assert len(set(words)) == len(words) - 2, "mixup and cutmix share standard training's augmentation"
