"""faceshield recipes: every recipe of the checkout is listed, shown, and runs at smoke scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*/*.yaml"))
EACH = pytest.mark.parametrize("path", RECIPES, ids=[f"{path.parent.name}/{path.stem}" for path in RECIPES])


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_are_recipes():
    assert RECIPES


@EACH
def test_each_is_listed_and_shown(path, cli, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = read(path)
    assert recipe["id"] == f"{path.parent.name}/{path.stem}", "a recipe's id is its place"
    listed = cli("recipes", "list").stdout
    assert f"{recipe['id']}  [{', '.join(recipe['scales'])}]\n    {recipe['claim']}\n" in listed
    scale = next(iter(recipe["scales"]))
    lines = cli("recipes", "show", recipe["id"], "--scale", scale).stdout.splitlines()
    assert lines[0] == recipe["claim"]
    assert lines[1].startswith("  0: ")
    assert len(lines) > 1


@EACH
def test_each_runs_at_smoke_scale_and_resumes(path, cli, tmp_path):
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
    for cell in result["cells"]:
        assert set(cell) == {"key", "seed", "metrics", "wall_s"}
        assert cell["metrics"]
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("*.json")}
    cli(*run)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("*.json")} == times
    assert json.loads(written.read_text(encoding="utf-8"))["cells"] == result["cells"]


def test_one_cell_by_its_number(cli, tmp_path):
    path = ROOT / "recipes/faces/bank.yaml"
    places = ["--results", tmp_path / "results", "--work", tmp_path / "work"]
    refused = cli("recipes", "run", path, "--scale", "smoke", "--cell", 99, *places, code=2)
    assert "cell 99 does not exist; faces/bank has cells 0 to 0" in refused.stderr
    assert not (tmp_path / "results").exists()


def test_refusals(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "no such recipe" in cli("recipes", "show", "faces/nothing", code=2).stderr
    refused = cli("recipes", "show", "faces/bank", "--scale", "huge", code=2)
    assert "has no scale 'huge'; it has smoke, mini" in refused.stderr
    data = ["--data", tmp_path / "nothing", "--work", tmp_path / "work", "--results", tmp_path / "results"]
    refused = cli("recipes", "run", "faces/bank", "--scale", "mini", *data, code=2)
    assert "is not there; give the folder that holds 'celeba100' by --data" in refused.stderr.splitlines()[-1]
