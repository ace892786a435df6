"""The LFW recipe on drawn faces: it runs, resumes, and says with which weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from faceshield.auditing.pretrained import load_recogniser
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces.lfw import EXPERIMENT
from faceshield.experiments.registry import load_experiment
from faceshield.faces.align import align_box
from faceshield.models import facenet, weights
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.pretrained import PRETRAINED
from faceshield.models.resnet29 import load
from faceshield.training.runtime import Runtime

lfw_pretrained = EXPERIMENT.run


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.bfloat16), print)


def test_the_recogniser_computes_in_float32_whatever_the_machine_prefers():
    chips = torch.rand(2, 3, 150, 150, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(load_recogniser(torch.device("cpu")).forward(chips), load()(chips), rtol=1e-5, atol=1e-6)


def test_other_weights_bring_their_own_crop_and_outputs_of_length_1(monkeypatch):
    """InceptionResnetV1 without VGGFace2's weights, which are not here."""
    torch.manual_seed(0)
    network = InceptionResnetV1(1).eval()
    monkeypatch.setattr(facenet, "load", lambda path: network)
    recogniser = load_recogniser(torch.device("cpu"), Path("some.pt"))
    chips = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    network.head = torch.nn.Identity()
    with torch.no_grad():
        out = recogniser.forward(chips)
        torch.testing.assert_close(out, torch.nn.functional.normalize(network.features(chips)), rtol=1e-4, atol=1e-5)
    assert out.shape == (2, recogniser.size)
    assert recogniser.align is align_box
    assert recogniser.name == facenet.VGGFACE2.checksum.digest


def test_a_smoke_cell(context, root):
    recipe = read_recipe(root / "recipes/faces/lfw.yaml")
    assert load_experiment(recipe) is EXPERIMENT
    settings = {**recipe.at("smoke"), "replicates": 30}
    metrics = lfw_pretrained({"model": "resnet29", "flip": True, "score": "distance"}, 0, settings, context)
    assert metrics["pairs"] == 60
    assert metrics["failures_to_enrol"] == 0
    assert metrics["auc"] > 0.9
    assert metrics["recogniser"] == weights.read_registry()["dlib_face_resnet29"].sha256
    assert metrics["precision"] == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRETRAINED if name != "resnet29"])
def test_a_smoke_cell_of_each_recogniser(context, root, name):
    recipe = read_recipe(root / "recipes/faces/lfw.yaml")
    assert {"recogniser": name, "flip": True, "score": "distance"} in recipe.cells("smoke")
    settings = {**recipe.at("smoke"), "replicates": 30}
    metrics = lfw_pretrained({"recogniser": name, "flip": True, "score": "distance"}, 0, settings, context)
    assert metrics["auc"] > 0.7  # drawn faces are no faces
    assert metrics["recogniser"] == weights.read_registry()[PRETRAINED[name].file].sha256
