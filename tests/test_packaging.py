"""What surrounds the package says what the package is."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import faceshield

ROOT = Path(__file__).resolve().parents[1]


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_folder_with_code_is_packaged():
    listed = set(setup()["options"]["packages"].split()) - {"faceshield.weights", "faceshield.recipes"}
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "faceshield").rglob("*.py")}
    assert listed == there


def test_every_weight_is_packaged():
    patterns = setup()["options.package_data"]["faceshield.weights"].split(", ")
    carried = {path.name for pattern in patterns for path in (ROOT / "weights").glob(pattern)}
    assert carried == {path.name for path in (ROOT / "weights").iterdir() if path.is_file()}


def test_every_recipe_is_packaged_and_no_script():
    patterns = setup()["options.package_data"]["faceshield.recipes"].split(", ")
    carried = {path for pattern in patterns for path in (ROOT / "recipes").glob(pattern)}
    assert carried == set((ROOT / "recipes").rglob("*.yaml"))
    assert not list((ROOT / "recipes").glob("*.py")), "a script there would be installed; recipes/pages/ is not"


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == faceshield.__version__
    assert citation["license"] == setup()["metadata"]["license"]


def test_pre_commit_runs_the_linters_of_make_lint():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"].removeprefix(".venv/bin/") for repo in config["repos"] for hook in repo["hooks"]]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [line.strip().removeprefix("$(BIN)/").removesuffix(" .") for line in recipe[1].splitlines()]
    assert hooks == wanted


def test_a_report_of_a_fault_asks_for_the_doctor():
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/fault.yml").read_text(encoding="utf-8"))
    (asked,) = (part for part in form["body"] if part["id"] == "doctor")
    assert "faceshield doctor" in asked["attributes"]["label"]
    assert asked["validations"]["required"]


def test_docker_copies_what_the_build_needs():
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert names == allowed
    assert all((ROOT / name).exists() for name in names)


def test_docker_asks_for_the_torch_that_the_package_asks_for_and_is_nobody_of_importance():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    asked = re.findall(r"'(torch\w*>=\S+)'", text)
    assert asked == [line for line in setup()["options"]["install_requires"].split() if line.startswith("torch")]
    (user,) = re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE)
    assert int(user) > 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_as_the_documents_tell_it(shell):
    text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert f"_FACESHIELD_COMPLETE={shell}_source faceshield" in text
    if shell == "bash":  # the others are written without being asked for their version
        return
    environment = {**os.environ, "_FACESHIELD_COMPLETE": f"{shell}_source"}
    code = "from faceshield.cli.main import main; main(prog_name='faceshield')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_FACESHIELD_COMPLETE" in done.stdout


def test_completion_knows_commands_and_options():
    environment = {
        **os.environ,
        "_FACESHIELD_COMPLETE": "fish_complete",
        "COMP_WORDS": "faceshield do",
        "COMP_CWORD": "do",
    }
    code = "from faceshield.cli.main import main; main(prog_name='faceshield')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "plain,doctor" in done.stdout
