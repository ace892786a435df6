"""Recipes: read, checked, planned, run once and resumed."""

from __future__ import annotations

import json

import pytest
import torch
import yaml

from faceshield.core.errors import UsageError
from faceshield.experiments.fabricated import fabricated_people
from faceshield.experiments.recipe import Expected, Recipe, read_recipe
from faceshield.experiments.registry import cell_of
from faceshield.experiments.run import Context, plan, run
from faceshield.training.runtime import Runtime

GOOD = {
    "id": "tests/good",
    "claim": "Adding works.",
    "experiment": "adding",
    "matrix": [{"noise": ["none", "bank"], "size": [1, 2]}, {"noise": ["tailored"]}],
    "seeds": [0, 1],
    "settings": {"epochs": 3, "lr": 0.1},
    "scales": {"smoke": {"epochs": 1, "seeds": [7]}, "mini": {}},
    "expected": [{"key": {"noise": "bank"}, "metric": "protected_accuracy", "paper": 0.16}],
}


@pytest.fixture
def write(tmp_path):
    def to_file(value):
        path = tmp_path / "recipe.yaml"
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
        return path

    return to_file


@pytest.fixture
def context(tmp_path):
    said = []
    made = Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), said.append)
    return made, said


def test_a_recipe_is_read(write):
    recipe = read_recipe(write(GOOD))
    assert recipe.id == "tests/good"
    assert recipe.cells() == [
        {"noise": "none", "size": 1},
        {"noise": "none", "size": 2},
        {"noise": "bank", "size": 1},
        {"noise": "bank", "size": 2},
        {"noise": "tailored"},
    ]
    assert recipe.at("smoke") == {"epochs": 1, "lr": 0.1, "seeds": [7]}
    assert recipe.at("mini") == {"epochs": 3, "lr": 0.1}
    assert recipe.expected == [Expected(key={"noise": "bank"}, metric="protected_accuracy", paper=0.16)]
    with pytest.raises(UsageError, match="has no scale 'paper'; it has smoke, mini"):
        recipe.at("paper")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("clam", "claim"),
        ("experimnt", "experiment"),
        ("seed", "seeds"),
        ("setting", "settings"),
        ("expect", "expected"),
    ],
)
def test_an_unknown_key_names_its_nearest_neighbour(write, wrong, right):
    with pytest.raises(UsageError, match=f"unknown key '{wrong}'; did you mean '{right}'"):
        read_recipe(write({**GOOD, wrong: 1}))


@pytest.mark.parametrize(("wrong", "right"), [("metrc", "metric"), ("at_least_", "at_least"), ("papre", "paper")])
def test_also_in_an_expectation(write, wrong, right):
    expected = [{"key": {}, "metric": "x", wrong: 1}]
    with pytest.raises(UsageError, match=rf"unknown key 'expected\.0\.{wrong}'; did you mean '{right}'"):
        read_recipe(write({**GOOD, "expected": expected}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        "- a\n- b",
        "a: [",
        "1: 2",
        "? [a, b]\n: c",
        yaml.safe_dump({key: value for key, value in GOOD.items() if key != "matrix"}),
        yaml.safe_dump({**GOOD, "matrix": {"noise": ["none"]}}),
        yaml.safe_dump({**GOOD, "matrix": [{"noise": "none"}]}),
        yaml.safe_dump({**GOOD, "scales": {"tiny": {}}}),
        yaml.safe_dump({**GOOD, "seeds": "many"}),
        yaml.safe_dump({**GOOD, 5: 1}),
        "!!python/object/apply:os.mkdir [pwned]",
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(write, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(text)
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="no such recipe"):
        read_recipe(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00id")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("binary.yaml", "folder.yaml"):
        with pytest.raises(UsageError, match=name):
            read_recipe(tmp_path / name)


# ---- running


def adding(calls):
    def cell(key, seed, settings, context):
        calls.append((key, seed, settings["epochs"]))
        return {"value": 1.5 * len(calls), "list": [1, 2]}

    return cell


def test_the_plan_is_every_cell_for_every_seed():
    planned = plan(Recipe(**GOOD), "mini")
    assert [(cell.key["noise"], cell.seed) for cell in planned][-3:] == [("bank", 1), ("tailored", 0), ("tailored", 1)]
    assert len(planned) == 10
    assert len({cell.digest for cell in planned}) == 10
    assert [cell.seed for cell in plan(Recipe(**GOOD), "smoke")] == [7] * 5


def test_a_run_is_written_and_resumed(context, tmp_path):
    recipe, (where, said), calls = Recipe(**GOOD), context, []
    path = run(recipe, "smoke", adding(calls), where, tmp_path / "results")
    assert path == tmp_path / "results/tests/good.smoke.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    assert [cell["metrics"]["value"] for cell in result["cells"]] == [1.5, 3, 4.5, 6, 7.5]
    assert [cell["key"] for cell in result["cells"]] == recipe.cells()
    assert result["settings"] == recipe.at("smoke")
    assert result["expected"] == [{"key": {"noise": "bank"}, "metric": "protected_accuracy", "paper": 0.16}]
    assert result["command"] == "faceshield recipes run tests/good --scale smoke"
    assert said[0] == "cell 1 of 5: noise none, size 1, seed 7"
    assert said[1] == "cell 1 of 5: noise none, size 1, seed 7: value 1.5"

    run(recipe, "smoke", adding(calls), where, tmp_path / "results")
    assert len(calls) == 5, "a finished cell was run again"
    assert json.loads(path.read_text(encoding="utf-8"))["cells"] == result["cells"]


def test_a_stopped_run_goes_on_where_it_was(context, tmp_path):
    recipe, (where, _), calls = Recipe(**GOOD), context, []

    def stops(key, seed, settings, context):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return adding(calls)(key, seed, settings, context)

    with pytest.raises(KeyboardInterrupt):
        run(recipe, "smoke", stops, where, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    path = run(recipe, "smoke", adding(calls), where, tmp_path / "results")
    assert len(calls) == 5
    values = [cell["metrics"]["value"] for cell in json.loads(path.read_text())["cells"]]
    assert values == [1.5, 3, 4.5, 6, 7.5]


def test_other_settings_are_another_cell(context, tmp_path):
    (where, _), calls = context, []
    run(Recipe(**GOOD), "smoke", adding(calls), where, tmp_path / "results")
    run(Recipe(**{**GOOD, "settings": {"epochs": 3, "lr": 0.2}}), "smoke", adding(calls), where, tmp_path / "results")
    assert len(calls) == 10


def test_one_cell_alone(context, tmp_path):
    (where, _), calls = context, []
    path = run(Recipe(**GOOD), "smoke", adding(calls), where, tmp_path / "results", only=4)
    assert calls == [({"noise": "tailored"}, 7, 1)]
    assert [cell["key"] for cell in json.loads(path.read_text())["cells"]] == [{"noise": "tailored"}]
    run(Recipe(**GOOD), "smoke", adding(calls), where, tmp_path / "results", only=0)
    assert len(json.loads(path.read_text())["cells"]) == 2
    for number in (-1, 5):
        with pytest.raises(UsageError, match="has cells 0 to 4 at smoke"):
            run(Recipe(**GOOD), "smoke", adding(calls), where, tmp_path / "results", only=number)


def test_data_that_is_not_there(context):
    with pytest.raises(UsageError, match="give the folder that holds 'people' by --data"):
        context[0].source("people")


def test_experiments_are_known_by_name():
    for name in ("bank", "crops", "selfie"):
        assert callable(cell_of(name))
    with pytest.raises(UsageError, match="experiment 'magic' is unknown; use bank, crops, selfie"):
        cell_of("magic")


# ---- drawn people


def test_drawn_people_are_the_same_for_a_seed_and_told_apart():
    data = fabricated_people(3, 6, seed=2, size=48)
    again = fabricated_people(3, 6, seed=2, size=48)
    assert data.images.equal(again.images)
    assert not data.images.equal(fabricated_people(3, 6, seed=3, size=48).images)
    assert data.images.shape == (18, 3, 48, 48)
    assert data.images.dtype == torch.uint8
    assert len(set(data.ids)) == 18
    middle = data.images[..., 14:34, 14:34].float()
    within = torch.stack([middle[data.labels == label].std(0).mean() for label in range(3)]).mean()
    means = torch.stack([middle[data.labels == label].mean(0) for label in range(3)])
    assert means.std(0).mean() > within / 3
