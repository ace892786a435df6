"""The search recipe: two halves that never meet, photos handled as said, and a whole cell on the shared photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples
from faceshield.data.synthetic import synthesize_people
from faceshield.evaluation.embed import embed_pairs
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.plan import plan
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import extractor
from faceshield.experiments.faces import search as module
from faceshield.experiments.faces.command import OPTIONS
from faceshield.experiments.faces.extractor import TrainedSettings, load_extractor, train_recogniser
from faceshield.experiments.registry import load_experiment
from faceshield.training.runtime import Runtime

CLEAN = {"noise": "none", "query": "clean", "gallery": "clean", "countermeasure": "none"}
SETTINGS = {"selfies": "selfies", "photos": 2, "crowd": 3200}


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), print)


def test_the_halves_are_apart_and_do_not_depend_on_the_order(tmp_path):
    for name in "abcdefghij":
        (tmp_path / f"{name}.jpg").touch()
    drawn = [module._choose_photos(tmp_path, 4, side, seed) for seed in (0, 1) for side in module.SIDES]
    assert [len(photos) for photos in drawn] == [2] * 4
    assert len({photo for photos in drawn for photo in photos}) == 8, "sides and seeds have photos of their own"
    with pytest.raises(UsageError, match="has 10 photos, seed 2 needs 12"):
        module._choose_photos(tmp_path, 4, "query", 2)


def test_a_countermeasure_saves_once_more(put, portrait, context, tmp_path):
    files = {"p": [put(tmp_path / "a.png", portrait)]}
    assert module._apply_countermeasure(files, "x", "none", context) == files
    (path,) = module._apply_countermeasure(files, "x", "jpeg-30", context)["p"]
    with Image.open(path) as saved:
        assert saved.format == "JPEG"
        assert 1 < np.abs(np.asarray(saved, int) - portrait).mean() < 12
    for wrong in ("blur", "jpeg", "jpeg-0"):
        with pytest.raises(UsageError, match="use none or jpeg-QUALITY"):
            module.EXPERIMENT.run({**CLEAN, "countermeasure": wrong}, 0, SETTINGS, context)


def test_the_recipe_names_what_there_is(root):
    recipe = read_recipe(root / "recipes/faces/search.yaml")
    assert load_experiment(recipe) is module.EXPERIMENT
    for key in recipe.cells():
        assert set(key) - {"extractor"} == {"noise", "query", "gallery", "countermeasure"}
        assert key["noise"] in ("none", *OPTIONS)
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells()), bar


def test_the_extractors_settings_are_no_part_of_the_cells_of_another(root, context):
    recipe = read_recipe(root / "recipes/faces/search.yaml")
    settings = recipe.at("mini")
    changed = recipe.model_copy(update={"settings": {**settings, "trained": {**settings["trained"], "epochs": 1}}})
    dropped = recipe.model_copy(update={"settings": {k: v for k, v in settings.items() if k != "trained"}})
    cells, others, older = (plan(each, "mini") for each in (recipe, changed, dropped))
    for cell, other, old in zip(cells, others, older, strict=True):
        trained = "extractor" in cell.key
        assert (cell.digest != other.digest) == trained
        assert (cell.digest != old.digest) == trained
        own = module.EXPERIMENT.sources(cell.key, settings)
        assert own == (("selfies", "people", "celeba100", "lfw") if trained else ("selfies",))
        assert module.EXPERIMENT.fingerprint(cell.key, settings, context) == " ".join(own), (
            "absent data is told by its name"
        )


def test_an_unknown_extractor_and_one_without_settings_are_refused(context):
    with pytest.raises(UsageError, match=r"use resnet29, trained, disjoint; did you mean 'trained'\?"):
        module.EXPERIMENT.run({**CLEAN, "extractor": "train"}, 0, SETTINGS, context)
    with pytest.raises(UsageError, match="needs the setting trained"):
        load_extractor("trained", None, context)


TRAINED = {"people": "a", "others": "b", "lfw": "lfw", "size": 32, "width": 4, "epochs": 1, "lr": 0.1}


@pytest.fixture
def settings(context):
    """An extractor of drawn people in two folders."""
    for seed, name in enumerate("ab"):
        people = synthesize_people(2, 4, seed, size=128)
        for id, picture in zip(people.ids, people.images, strict=True):
            path = context.data / name / f"{name}{id}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path.with_suffix(".png"))
    return TrainedSettings(**TRAINED)


def test_an_extractor_is_trained_once_and_of_its_people(settings, context, monkeypatch):
    made = train_recogniser(settings, ["a", "b"], context)
    canvases = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    features = embed_pairs(canvases, made.forward)
    assert features.shape == (3, 2, made.size)
    edged = canvases.clone()
    edged[..., :8] = 0
    assert embed_pairs(edged, made.forward).equal(features), "the margin of the canvas is not looked at"
    monkeypatch.setattr(extractor, "train", None)
    again = train_recogniser(settings, ["a", "b"], context)
    assert again.name == made.name
    assert embed_pairs(canvases, again.forward).equal(features)
    with pytest.raises(TypeError):
        train_recogniser(settings.model_copy(update={"epochs": 2}), ["a", "b"], context)
    with pytest.raises(TypeError):
        train_recogniser(settings, ["a"], context)


def test_other_strangers_than_the_shipped_ones_are_refused(settings, context, monkeypatch, tmp_path):
    (tmp_path / "data/lfw").mkdir()
    (tmp_path / "data/lfw/pairs.txt").write_text("1\t1\nA\t1\t2\nA\t1\tB\t1\n")
    drawn = Examples(torch.zeros(2, 3, 128, 128, dtype=torch.uint8), torch.tensor([0, 1]),
                     ("A/A_0001.jpg", "B/B_0001.jpg"), ("A", "B"))  # fmt: skip
    monkeypatch.setattr(extractor, "align_photos", lambda name, context: drawn)
    with pytest.raises(UsageError, match="other people than the shipped strangers"):
        load_extractor("trained", settings, context)


def test_a_cell_finds_clean_photos(shared, context):
    from dataclasses import replace

    metrics = module.EXPERIMENT.run(CLEAN, 0, SETTINGS, replace(context, data=shared))
    assert metrics["queries"] == 4
    assert metrics["crowd"] == 3200
    assert metrics["rank1"] >= 0.75
    assert 0.45 < metrics["limit"] < 0.65
    assert "rank1_clean" not in metrics


def test_a_cell_of_another_extractor_searches_the_same_crowd(shared, context, monkeypatch):
    from dataclasses import replace

    shipped = module.load_extractor("resnet29", None, context)
    # the shipped one under another name, its features brought to unit length
    other = extractor.Extractor(replace(shipped.recogniser, name="other"), F.normalize(shipped.crowd), unit=True)
    monkeypatch.setattr(module, "load_extractor", lambda name, *_: other if name == "trained" else shipped)
    metrics = module.EXPERIMENT.run({**CLEAN, "extractor": "trained"}, 0, SETTINGS, replace(context, data=shared))
    assert metrics["crowd"] == 3200
    assert metrics["rank1"] == metrics["rank1_clean"] >= 0.75
    assert metrics["rank1_of_clean"] == 1
    assert "match_rate" not in metrics, "dlib's limit is for raw distances"
    assert 0 < metrics["limit"] < 2
