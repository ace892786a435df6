"""The house rules that no linter of ours checks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "faceshield").rglob("*.py"))


def calls(path):
    """Dotted names of all that is called in a file."""
    return [ast.unparse(call.func) for call in call_nodes(path.read_text(encoding="utf-8"))]


def call_nodes(text):
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]


def unpickling(text):
    """Calls of torch.load that do not say themselves, by a literal, that only tensors are read."""
    return [
        ast.unparse(call)
        for call in call_nodes(text)
        if ast.unparse(call.func) == "torch.load"
        and not any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in call.keywords)
    ]


def test_there_are_files():
    assert len(FILES) > 50


def offenders(rule):
    """The files, by their place in the source, that break ``rule(path)``."""
    return [path.relative_to(ROOT).as_posix() for path in FILES if rule(path)]


def test_a_file_fits_in_a_head():
    assert not offenders(lambda path: len(path.read_text(encoding="utf-8").splitlines()) > 250)


def test_a_file_says_what_it_is():
    def silent(path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return tree.body and not ast.get_docstring(tree)

    assert not offenders(silent)


def test_only_the_command_line_prints():
    spoken = {"print", "click.echo", "sys.stdout.write", "sys.stderr.write", "warnings.warn"}
    assert not offenders(lambda path: path.parent.name != "cli" and spoken & set(calls(path)))


def test_only_the_runtime_knows_devices():
    runtime = ROOT / "faceshield/training/runtime.py"
    assert re.search(r"torch\.cuda", runtime.read_text(encoding="utf-8"))
    assert not offenders(
        lambda path: path != runtime and re.search(r"torch\.cuda|\.cuda\(\)", path.read_text(encoding="utf-8"))
    )


def test_nothing_is_unpickled_and_no_shell_is_started():
    unsafe = {"pickle.load", "pickle.loads", "np.load", "os.system", "eval", "exec", "yaml.load"}

    def risky(path):
        text = path.read_text(encoding="utf-8")
        return unsafe & set(calls(path)) or unpickling(text) or "shell=True" in text

    assert not offenders(risky)


@pytest.mark.parametrize("rest", ["", ", weights_only=False", ", weights_only=safe", ", True", ", **options"])
def test_torch_load_must_be_told_to_read_weights_only(rest):
    assert unpickling(f"torch.load(path{rest})")
    assert not unpickling("torch.load(path, map_location=device, weights_only=True)")


def test_no_seed_is_set_behind_the_callers_back():
    allowed = {
        "faceshield/core/rng.py": {"torch.Generator(device=device).manual_seed"},
        "faceshield/training/loop.py": {"torch.manual_seed"},  # inside fork_rng
    }

    def seeds(path):
        found = {name for name in calls(path) if name.endswith(("manual_seed", "np.random.seed", "random.seed"))}
        return found - allowed.get(path.relative_to(ROOT).as_posix(), set())

    assert not offenders(seeds)


def test_no_file_names_a_machines_own_folders():
    suffixes = {".py", ".yaml", ".cfg", ".toml", ".md", ".html"}
    ours = [ROOT / name for name in ("setup.cfg", "pyproject.toml", "Makefile", "README.md")]
    for folder in ("faceshield", "tests", "recipes", "weights"):
        ours += [path for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    own = re.compile(rf"(?<![\w.])/(home|Users|root)/\w|{re.escape(str(ROOT.parent))}/")
    for path in ours:
        if path.is_file() and path != Path(__file__).resolve():
            assert not own.search(path.read_text(encoding="utf-8")), path


def imported(path):
    """Dotted names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{name.name}" for name in node.names))


def test_only_recipes_know_the_experiments():
    """What the other commands run lives in the layers below."""
    known = {
        path.relative_to(ROOT / "faceshield").as_posix()
        for path in FILES
        if any(name.startswith("faceshield.experiments") for name in imported(path))
    }
    outside = {name for name in known if not name.startswith("experiments/")}
    assert outside == {"cli/recipes.py", "cli/recipes_report.py"}
    assert any(name.startswith("experiments/") for name in known)


def test_the_package_is_typed_and_lists_its_names():
    import faceshield

    assert (ROOT / "faceshield/py.typed").is_file()
    assert "faceshield = py.typed" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert dir(faceshield) == sorted(faceshield.__all__)
    assert all(getattr(faceshield, name) is not None for name in faceshield.__all__)
