"""The house rules that no linter of ours checks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "faceshield").rglob("*.py"))
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def calls(path):
    """Dotted names of all that is called in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_there_are_files():
    assert len(FILES) > 50


@EACH
def test_a_file_fits_in_a_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@EACH
def test_a_file_says_what_it_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree), "it has no opening line"


@EACH
def test_only_the_command_line_prints(path):
    spoken = {"print", "click.echo", "sys.stdout.write", "sys.stderr.write", "warnings.warn"}
    if path.parent.name != "cli":
        assert not spoken & set(calls(path))


@EACH
def test_only_the_runtime_knows_devices(path):
    text = path.read_text(encoding="utf-8")
    if path.relative_to(ROOT) != Path("faceshield/training/runtime.py"):
        assert "torch.cuda" not in text
        assert ".cuda()" not in text


@EACH
def test_nothing_is_unpickled_and_no_shell_is_started(path):
    found = set(calls(path))
    assert not found & {"torch.load", "pickle.load", "pickle.loads", "np.load", "os.system", "eval", "exec"}
    assert "shell=True" not in path.read_text(encoding="utf-8")
    assert "yaml.load" not in found


@EACH
def test_no_seed_is_set_behind_the_callers_back(path):
    found = {name for name in calls(path) if name.endswith(("manual_seed", "np.random.seed", "random.seed"))}
    allowed = {
        "faceshield/core/rng.py": {"torch.Generator(device=device).manual_seed"},
        "faceshield/training/loop.py": {"torch.manual_seed"},  # inside fork_rng
    }
    assert found <= allowed.get(path.relative_to(ROOT).as_posix(), set())


def test_no_file_names_a_machines_own_folders():
    suffixes = {".py", ".yaml", ".cfg", ".toml", ".md", ".html"}
    ours = [ROOT / name for name in ("setup.cfg", "pyproject.toml", "Makefile", "README.md")]
    for folder in ("faceshield", "tests", "recipes", "weights"):
        ours += [path for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    own = re.compile(rf"(?<![\w.])/(home|Users|root)/\w|{re.escape(str(ROOT.parent))}/")
    for path in ours:
        if path.is_file() and path != Path(__file__).resolve():
            assert not own.search(path.read_text(encoding="utf-8")), path
