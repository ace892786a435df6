"""The LFW recipe on drawn faces: it runs, resumes, and says with which weights."""

from __future__ import annotations

import pytest
import torch

from faceshield.experiments.lfw import lfw_pretrained, pretrained
from faceshield.experiments.recipe import read_recipe
from faceshield.experiments.registry import experiment_of
from faceshield.experiments.run import Context
from faceshield.models import weights
from faceshield.models.resnet29 import load
from faceshield.training.runtime import Runtime


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.bfloat16), print)


def test_the_recogniser_computes_in_float32_whatever_the_machine_prefers():
    chips = torch.rand(2, 3, 150, 150, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pretrained(torch.device("cpu")).forward(chips), load()(chips), rtol=1e-5, atol=1e-6)


def test_a_smoke_cell(context, root):
    recipe = read_recipe(root / "recipes/faces/lfw.yaml")
    assert experiment_of(recipe).cell is lfw_pretrained
    settings = {**recipe.at("smoke"), "replicates": 30}
    metrics = lfw_pretrained({"model": "resnet29", "flip": True, "score": "distance"}, 0, settings, context)
    assert metrics["pairs"] == 60
    assert metrics["failures_to_enrol"] == 0
    assert metrics["auc"] > 0.9
    assert metrics["recogniser"] == weights.registry()["dlib_face_resnet29"].sha256
    assert metrics["precision"] == "float32"
