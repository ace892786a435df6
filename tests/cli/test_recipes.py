"""faceshield recipes: every recipe of the checkout is listed, shown, and runs at smoke scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from faceshield.cli.main import main
from faceshield.cli.recipes_progress import CellBar

ROOT = Path(__file__).resolve().parents[2]


def place(path):
    """A recipe's id: where it lies below recipes/."""
    return path.relative_to(ROOT / "recipes").with_suffix("").as_posix()


RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
EACH = pytest.mark.parametrize("path", RECIPES, ids=[place(path) for path in RECIPES])
QUICKSTART_QUICKLY = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=place(path), marks=[] if path.parent.name == "quickstart" else [pytest.mark.slow])
        for path in RECIPES
    ],
)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_are_recipes():
    assert RECIPES


@pytest.fixture(scope="module")
def listed():
    """What ``recipes list`` says: it reads all recipes, once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return CliRunner().invoke(main, ["recipes", "list"]).stdout


@EACH
def test_each_is_listed_and_shown(path, cli, listed, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = read(path)
    assert recipe["id"] == place(path), "a recipe's id is its place"
    there = [scale for scale in recipe["scales"] if (ROOT / f"recipes/results/{recipe['id']}.{scale}.json").is_file()]
    line = f"{recipe['id']}  [{', '.join(recipe['scales'])}]  results: {', '.join(there) or 'none yet'}"
    assert f"{line}\n    {recipe['claim']}\n" in listed
    scale = next(iter(recipe["scales"]))
    lines = cli("recipes", "show", recipe["id"], "--scale", scale).stdout.splitlines()
    assert lines[0] == recipe["claim"]
    assert lines[1].startswith("  1: ")
    settings = lines[lines.index(f"settings at {scale}") + 1 : lines.index("expected")]
    merged = {**recipe.get("settings", {}), **recipe["scales"][scale]}
    assert sorted(settings) == sorted(f"  {name}: {value}" for name, value in merged.items() if name != "matrix")
    assert len(lines) - lines.index("expected") - 1 == max(1, len(recipe.get("expected", [])))


@QUICKSTART_QUICKLY
def test_each_runs_at_smoke_scale_and_resumes(path, cli, tmp_path, monkeypatch):
    recipe = read(path)
    if "smoke" not in recipe["scales"]:
        pytest.skip(f"{recipe['id']} has no smoke scale: it needs real photos")
    places = ["--results", tmp_path / "results", "--work", tmp_path / "work", "--data", tmp_path / "nothing"]
    run = ["recipes", "run", path, "--scale", "smoke", *places]
    first = cli(*run)
    written = tmp_path / f"results/{recipe['id']}.smoke.json"
    assert first.stdout == f"{written}\n"
    result = json.loads(written.read_text(encoding="utf-8"))
    assert (result["recipe"], result["scale"], result["claim"]) == (recipe["id"], "smoke", recipe["claim"])
    assert set(result["versions"]) == {"faceshield", "torch", "python"}
    assert len(result["config_sha256"]) == 64
    assert result["cells"]
    assert result["not_run"] == []
    for plot in result["plots"]:
        assert (written.parent / plot).stat().st_size > 0
    for cell in result["cells"]:
        assert set(cell) == {"key", "seed", "metrics", "wall_s", "device", "versions"}
        assert cell["metrics"]
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("*.json")}
    monkeypatch.setattr("faceshield.reports.figures.draw", lambda *given: [])  # once is enough, and takes seconds
    cli(*run)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("*.json")} == times
    assert json.loads(written.read_text(encoding="utf-8"))["cells"] == result["cells"]


def test_one_cell_by_its_number(cli, tmp_path):
    path = ROOT / "recipes/faces/bank.yaml"
    places = ["--results", tmp_path / "results", "--work", tmp_path / "work"]
    refused = cli("recipes", "run", path, "--scale", "smoke", "--cell", 99, *places, code=2)
    assert "cell 99 does not exist; the recipe has cells 1 to 1" in refused.stderr
    assert not (tmp_path / "results").exists()


def test_refusals(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "no such recipe" in cli("recipes", "show", "faces/nothing", code=2).stderr
    refused = cli("recipes", "show", "faces/bank", "--scale", "huge", code=2)
    assert "has no scale 'huge'; it has smoke, mini" in refused.stderr
    data = ["--data", tmp_path / "nothing", "--work", tmp_path / "work", "--results", tmp_path / "results"]
    refused = cli("recipes", "run", "faces/bank", "--scale", "mini", *data, code=2)
    assert "is not there; give the folder that holds 'celeba100' by --data" in refused.stderr.splitlines()[-1]


def test_the_plan_runs_nothing(cli, tmp_path):
    (tmp_path / "data/celeba100").mkdir(parents=True)
    places = ["--data", tmp_path / "data", "--results", tmp_path / "results", "--work", tmp_path / "work"]
    text = cli("recipes", "run", ROOT / "recipes/faces/bank.yaml", "--plan", *places).stdout.splitlines()
    assert text[:2] == ["cells: 1, of which 0 are done", "  1: views collector, seed 0"]
    assert text[2:4] == ["data:", f"  {tmp_path / 'data/celeba100'}: present"]
    assert text[4].startswith("disk: 0.0 MB in caches, ")
    stored = tmp_path / "results/faces/bank.mini.json"
    assert text[5:] == [f"hours: unknown; no cell is stored in {stored}, run one (--cell 1) first"]
    assert not (tmp_path / "work").exists()
    absent = cli("recipes", "run", ROOT / "recipes/faces/bank.yaml", "--plan", "--data", tmp_path, "--work", tmp_path)
    assert f"  {tmp_path / 'celeba100'}: absent" in absent.stdout


def test_seeds_are_chosen_or_refused(cli, tmp_path):
    run = ["recipes", "run", ROOT / "recipes/faces/bank.yaml", "--scale", "smoke"]
    text = cli(*run, "--seeds", "0,4", "--plan", "--work", tmp_path).stdout
    assert "  1: views collector, seed 0\n  2: views collector, seed 4\n" in text
    assert "is not a list of seeds" in cli(*run, "--seeds", "some", code=2).stderr
    assert "leave --seeds out" in cli(*run, "--seeds", "1", "--cell", "0", code=2).stderr


def test_a_misspelt_setting_is_refused_before_anything_runs(cli, tmp_path):
    recipe = read(ROOT / "recipes/faces/bank.yaml")
    recipe["scales"]["smoke"]["round"] = 5
    path = tmp_path / "bank.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    for command in (["show", path, "--scale", "smoke"], ["run", path, "--scale", "smoke", "--work", tmp_path / "work"]):
        refused = cli("recipes", *command, code=2)
        assert "recipe faces/bank at smoke: unknown key 'round'; did you mean 'rounds'?" in refused.stderr
    assert not (tmp_path / "work").exists()


def test_the_report_holds_every_recipe(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    refused = cli("recipes", "report", "-o", tmp_path, "--results", tmp_path / "none", code=2)
    assert "none: is no folder" in refused.stderr
    (tmp_path / "none").mkdir()
    text = cli("recipes", "report", "-o", tmp_path, "--results", tmp_path / "none").stdout
    assert text == f"{tmp_path / 'REPRODUCTION.md'}\n{tmp_path / 'REPRODUCTION.html'}\n"
    text = (tmp_path / "REPRODUCTION.md").read_text(encoding="utf-8")
    for path in RECIPES:
        assert f"| {place(path)} | {read(path)['claim']} | not run |" in text


def test_they_are_found_from_any_folder(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [line for line in cli("recipes", "list").stdout.splitlines() if line[0] != " "]
    assert [line.split()[0] for line in lines] == [place(path) for path in RECIPES]
    assert all(line.endswith("results: none yet") for line in lines)  # they are those of this folder
    assert cli("recipes", "show", "faces/bank").stdout.startswith(read(ROOT / "recipes/faces/bank.yaml")["claim"])


def test_an_installation_without_recipes_says_so(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("faceshield.core.shipped._PACKAGE", tmp_path / "faceshield")
    assert "recipes: holds no recipe; install faceshield again" in cli("recipes", "list", code=5).stderr


def test_progress_is_lines_where_there_is_no_terminal(capsys):
    with CellBar() as bar:
        bar.on_cell(0, 3, None)
        bar.say("cell 1 of 3")
        bar.on_cell(1, 3, 60.0)
        bar.on_cell(3, 3, 0)
    assert capsys.readouterr().err == "cell 1 of 3\n1 of 3 cells are done, about 60 seconds left\n"


def test_a_misspelt_word_of_a_key_is_refused_before_anything_runs(cli, tmp_path):
    recipe = read(ROOT / "recipes/faces/crops.yaml")
    recipe["matrix"][1]["noise"] = ["tailord"]
    path = tmp_path / "crops.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    for command in (["show", path], ["run", path, "--scale", "smoke", "--work", tmp_path / "work"]):
        refused = cli("recipes", *command, code=2)
        assert (
            "noise: 'tailord' is unknown; use none, left-out, bank, tailored; did you mean 'tailored'?"
            in refused.stderr
        )
    assert not (tmp_path / "work").exists()
