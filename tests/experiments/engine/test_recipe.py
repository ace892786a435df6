"""Recipes: read and checked against the schema and the experiment's own settings; the people drawn for smoke runs."""

from __future__ import annotations

import pytest
import torch
import yaml

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected
from faceshield.data.synthetic import synthesize_people
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.experiments.engine.plan import digest_config, plan
from faceshield.experiments.engine.recipe import Recipe, find_recipes, read_recipe
from faceshield.experiments.registry import WHERE, import_experiment, load_experiment

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


def test_also_where_the_right_key_is_then_missing(write):
    value = {"clam" if key == "claim" else key: value for key, value in GOOD.items()}
    with pytest.raises(UsageError, match="unknown key 'clam'; did you mean 'claim'"):
        read_recipe(write(value))


@pytest.mark.parametrize(
    ("wrong", "right"), [("metrc", "metric"), ("at_least_", "at_least"), ("papre", "paper"), ("withn", "within")]
)
def test_also_in_an_expectation(write, wrong, right):
    expected = [{"key": {}, "metric": "x", wrong: 1}]
    with pytest.raises(UsageError, match=rf"unknown key 'expected\.0\.{wrong}'; did you mean '{right}'"):
        read_recipe(write({**GOOD, "expected": expected}))


def test_and_in_what_it_is_compared_with(write):
    expected = [{"key": {}, "metric": "x", "within": 0.1, "near": {"key": {}, "metrik": "x"}}]
    with pytest.raises(UsageError, match=r"unknown key 'expected\.0\.near\.metrik'; did you mean 'metric'"):
        read_recipe(write({**GOOD, "expected": expected}))


@pytest.mark.parametrize(
    ("bar", "told"),
    [
        ({}, "nothing to compare with"),
        ({"at_most": 1, "within": 0.1}, "'within' needs 'paper' or 'near'"),
        ({"near": {"key": {}, "metric": "x"}}, "'near' needs 'within'"),
    ],
)
def test_half_an_expectation_is_refused(write, bar, told):
    with pytest.raises(UsageError, match=told):
        read_recipe(write({**GOOD, "expected": [{"key": {}, "metric": "x", **bar}]}))


def test_one_plot_or_several(write):
    assert [plot.kind for plot in read_recipe(write({**GOOD, "plot": ["bars"]})).plots()] == ["bars"]
    recipe = read_recipe(write({**GOOD, "plot": ["curves", "lines"], "plot_x": "size", "plot_metrics": ["a"]}))
    assert [(plot.kind, plot.x, plot.by, plot.metrics) for plot in recipe.plots()] == [
        ("curves", "size", None, ("a",)),
        ("lines", "size", None, ("a",)),
    ]
    with pytest.raises(UsageError, match=r"plot\.0"):
        read_recipe(write({**GOOD, "plot": ["pie"]}))


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


def test_recipes_are_found_at_any_depth(tmp_path):
    for name in ("a.yaml", "paper/fig1.yaml", "paper/more/deep.yaml", "paper/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_recipes(tmp_path)]
    assert found == ["a.yaml", "paper/fig1.yaml", "paper/more/deep.yaml"]


# ---- settings


class Inner(Settings):
    source: Source
    depth: int


class Declared(Settings):
    people: Source
    other: Source | None = None
    epochs: int
    lr: float = 0.1
    inner: Inner | None = None


DECLARED = Experiment(lambda key, seed, settings, context: {}, Declared, CellKey)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"people": "a", "epohcs": 1}, "unknown key 'epohcs'; did you mean 'epochs'"),
        ({"people": "a", "epochs": 1, "sedes": [0]}, "did you mean 'seeds'"),
        ({"people": "a", "epochs": 1, "inner": {"source": "b", "dept": 1}}, "'inner.dept'.*'depth'"),
        ({"people": "a"}, "epochs: Field required"),
        ({"people": "a", "epochs": "many"}, "epochs: Input should be a valid integer"),
        ({"people": "a", "epochs": 1, "seed": 3}, "unknown key 'seed'; did you mean 'seeds'"),
    ],
)
def test_settings_are_the_experiments_own(settings, told):
    with pytest.raises(UsageError, match=f"here: .*{told}") as caught:
        DECLARED.check_settings(settings, "here")
    assert "\n" not in str(caught.value)


def test_settings_name_the_data_that_they_need():
    plain = {"people": "a", "epochs": 1, "seeds": [4]}
    assert DECLARED.sources({}, {**plain, "inner": {"source": "b", "depth": 1}}) == ("a", "b")
    assert DECLARED.sources({}, {**plain, "people": "fabricated", "other": "digits"}) == ()
    assert DECLARED.sources({}, {**plain, "other": "a"}) == ("a",)


def test_experiments_are_known_by_name(root):
    for path in find_recipes(root / "recipes"):
        assert callable(load_experiment(read_recipe(path)).cell)
    for name in WHERE:
        declared = import_experiment(name).settings
        assert issubclass(declared, Settings)
        assert issubclass(import_experiment(name).key, CellKey)
        assert declared.model_fields.keys().isdisjoint({"experiment", "key", "seed", "seeds", "matrix"}), (
            "these decide a cell's digest beside the settings, or are the scale's own"
        )
    with pytest.raises(UsageError, match=r"experiment 'corps' is unknown; use .*, crops, .*; did you mean 'crops'"):
        load_experiment(Recipe(**{**GOOD, "experiment": "corps"}))


def test_a_recipes_misspelt_setting_is_named_with_its_scale(root):
    with pytest.raises(UsageError, match=r"recipe faces/crops at smoke: unknown key 'epoch'; .*'epochs'"):
        load_experiment(crops(root, scales={"smoke": {"epoch": 2}}))


# ---- plans


def test_the_plan_is_every_cell_for_every_seed():
    planned = plan(Recipe(**GOOD), "mini")
    assert [(cell.key["noise"], cell.seed) for cell in planned][-3:] == [("bank", 1), ("tailored", 0), ("tailored", 1)]
    assert len(planned) == 10
    assert len({cell.digest for cell in planned}) == 10
    assert [cell.seed for cell in plan(Recipe(**GOOD), "smoke")] == [7] * 5


def test_further_seeds_come_last_and_change_no_number():
    own, more = plan(Recipe(**GOOD), "mini"), plan(Recipe(**GOOD), "mini", [1, 9])
    assert more[: len(own)] == own
    assert [(cell.key, cell.seed) for cell in more[len(own) :]] == [(key, 9) for key in Recipe(**GOOD).cells()]


@pytest.mark.parametrize("seeds", [3, [], "0", [0, "1"], [True]])
def test_seeds_of_a_scale_are_whole_numbers(write, seeds):
    with pytest.raises(UsageError, match=r"scales\.mini\.seeds.*: (Input should be a valid|List should have at least)"):
        read_recipe(write({**GOOD, "scales": {"mini": {"seeds": seeds}}}))


def test_inputs_rename_the_cache_and_nothing_else():
    plain, keyed = (
        plan(Recipe(**GOOD), "mini"),
        plan(Recipe(**GOOD), "mini", inputs=lambda key, settings: "data v2"),
    )
    assert [cell.digest for cell in plain] == [cell.digest for cell in keyed]
    assert {cell.cache for cell in plain}.isdisjoint(cell.cache for cell in keyed)
    assert all(cell.cache == f"{cell.digest[:16]}.json" for cell in plain)


def test_the_caches_of_earlier_runs_stay_valid():
    """Their names, and the hash in the result file, of faces/crops as they were before settings were checked."""
    settings = {"people": "people", "protect": 6, "size": 80, "width": 16, "epochs": 16, "lr": 0.1, "steps": 60}
    matrix = [{"noise": ["none", "bank"]}, {"noise": ["tailored"], "photos": [20, 3]}]
    crops = {**GOOD, "experiment": "crops", "matrix": matrix, "seeds": [0, 1, 2], "settings": settings}
    recipe = Recipe(**{**crops, "scales": {"mini": {}}})
    names = [cell.cache for cell in plan(recipe, "mini")]
    assert names[:3] == ["a3322fddda175c03.json", "4b4d277113a1f0a0.json", "117ad941e01db9d5.json"]
    assert digest_config(recipe, "mini") == "f5660c73b28bd7140259ad2640c51988e016fcb2219952c9466bda76d720f83b"


# ---- drawn people


def test_drawn_people_are_the_same_for_a_seed_and_told_apart():
    data = synthesize_people(3, 6, seed=2, size=48)
    again = synthesize_people(3, 6, seed=2, size=48)
    assert data.images.equal(again.images)
    assert not data.images.equal(synthesize_people(3, 6, seed=3, size=48).images)
    assert data.images.shape == (18, 3, 48, 48)
    assert data.images.dtype == torch.uint8
    assert len(set(data.ids)) == 18
    middle = data.images[..., 14:34, 14:34].float()
    within = torch.stack([middle[data.labels == label].std(0).mean() for label in range(3)]).mean()
    means = torch.stack([middle[data.labels == label].mean(0) for label in range(3)])
    assert means.std(0).mean() > within / 3


def test_a_scale_may_have_cells_of_its_own():
    matrix = [{"noise": ["bank"], "size": [1]}]
    recipe = Recipe.model_validate({**GOOD, "scales": {"smoke": {"matrix": matrix}, "mini": {}}})
    assert recipe.cells("smoke") == [{"noise": "bank", "size": 1}]
    assert recipe.cells("mini") == recipe.cells() == Recipe(**GOOD).cells()
    assert "matrix" not in recipe.at("smoke")
    more = Recipe.model_validate({**GOOD, "scales": {"smoke": {"matrix": [*matrix, {"noise": ["x"]}]}, "mini": {}}})
    same = [cell.digest for cell in plan(recipe, "smoke")]
    assert same == [cell.digest for cell in plan(more, "smoke")][: len(same)], "a cell more makes no other run again"
    with pytest.raises(ValueError, match="valid list"):
        Recipe.model_validate({**GOOD, "scales": {"smoke": {"matrix": [{"noise": "bank"}]}}})


# ---- keys


def crops(root, **changed):
    recipe = read_recipe(root / "recipes/faces/crops.yaml")
    return Recipe.model_validate({**recipe.model_dump(exclude_unset=True), **changed})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"matrix": [{"noise": ["none"]}, {"noise": ["tailord"]}]}, "at smoke, matrix: noise: 'tailord'.*'tailored'"),
        ({"matrix": [{"noise": ["bank"], "percnt": [50]}]}, "at smoke, matrix: unknown key 'percnt'.*'percent'"),
        ({"matrix": [{"noise": ["tailored"], "photos": ["20"]}]}, "matrix: photos: Input should be a valid integer"),
        ({"scales": {"mini": {"matrix": [{"noise": ["bnak"]}]}}}, "at mini, matrix: noise: 'bnak'.*'bank'"),
        ({"plot_by": "nois"}, "plot_by: unknown key 'nois'; did you mean 'noise'"),
    ],
)
def test_a_misspelt_word_of_a_key_is_refused_at_every_scale_and_block(root, changed, told):
    with pytest.raises(UsageError, match=f"recipe faces/crops.*{told}") as caught:
        load_experiment(crops(root, **changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bar", "told"),
    [
        ({"key": {"noise": "tailord"}}, "expected 1: noise: 'tailord' is unknown.*'tailored'"),
        ({"key": {"nois": "bank"}}, "expected 1: unknown key 'nois'; did you mean 'noise'"),
        ({"key": {"noise": "tailored", "photos": 21}}, "expected 1: no cell has photos 21"),
        ({"key": {"noise": "bank"}, "without": ["photo"]}, "expected 1: unknown key 'photo'; did you mean 'photos'"),
        (
            {
                "key": {"noise": "bank"},
                "at_most": None,
                "within": 0.1,
                "near": {"key": {"noise": "nnone"}, "metric": "x"},
            },
            "expected 1, near: noise: 'nnone'.*'none'",
        ),
    ],
)
def test_also_in_what_is_expected(root, bar, told):
    expected = Expected(**{"metric": "protected_accuracy", "at_most": 0.1, **bar})
    with pytest.raises(UsageError, match=told):
        load_experiment(crops(root, expected=[expected]))


def test_a_class_that_no_cell_protects_is_refused(root):
    recipe = read_recipe(root / "recipes/paper/fig2-classes.yaml")
    bar = Expected(key={"protected": "brid"}, metric="protected_accuracy", at_most=0.1)
    with pytest.raises(UsageError, match="no cell has protected 'brid'; did you mean 'bird'"):
        load_experiment(recipe.model_copy(update={"expected": [bar]}))
