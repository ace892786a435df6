"""The wheel, built of what the Dockerfile copies and installed apart, does all from a folder that is not the source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command, cwd, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FACESHIELD", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def find_version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "0.0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without the network in a copy: a build in the source leaves files, and would take in stale ones."""
    pytest.importorskip("pip")
    # asked of its metadata: to import setuptools after distutils fails
    if tuple(map(int, find_version("setuptools").split(".")[:2])) < (70, 1):
        pytest.skip("needs setuptools 70.1, which builds the wheel")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for line in re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
        for name in line.split():
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(ROOT / name, source)
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    done = run(sys.executable, "-m", "pip", "wheel", *offline, "-w", out, source, cwd=out)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command of a fresh environment that has the wheel, and everybody else's packages by a path file."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=os.name == "posix")
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    install = [sys.executable, "-m", "pip", "--python", binaries / "python", "install"]
    done = run(*install, "--no-deps", "--no-index", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    ask = run(binaries / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    own = Path(ask.stdout.strip())
    # they come after the wheel; an editable installation among them is not followed, for its own .pth is not read
    others = [place for place in sys.path if place.endswith(("site-packages", "dist-packages"))]
    (own / "others.pth").write_text("\n".join(others), encoding="utf-8")
    return binaries / "faceshield"


@pytest.mark.slow
def test_it_carries_weights_recipes_and_pages_and_no_script_nor_test(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, suffix in (("recipes", "*/*.yaml"), ("weights", "*.*"), ("faceshield/app/static", "*.*")):
        prefix = "" if folder.startswith("faceshield") else "faceshield/"
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob(suffix) if path.is_file()}
        assert files
        assert {f"{prefix}{name}" for name in files} <= names
    assert "faceshield/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"faceshield", wheel.name.rsplit("-py3")[0] + ".dist-info"}
    assert not [name for name in names if name.startswith("faceshield/recipes/") and not name.endswith(".yaml")]


@pytest.mark.slow
def test_it_works_from_another_folder(installed, put, portrait, tmp_path):
    home = {"FACESHIELD_HOME": str(tmp_path / "home")}
    put(tmp_path / "selfies/a.png", portrait)

    doctor = run(installed, "doctor", cwd=tmp_path, **home)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    where = run(installed.with_name("python"), "-c", "import faceshield; print(faceshield.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parents[1])

    cloak = run(installed, "cloak", "selfies", "-o", "cloaked", "--fast", cwd=tmp_path, **home)
    assert cloak.returncode == 0, cloak.stderr
    assert (tmp_path / "cloaked/a.png").is_file()

    listed = run(installed, "recipes", "list", cwd=tmp_path)
    there = {path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in ROOT.glob("recipes/*/*.yaml")}
    assert {line.split()[0] for line in listed.stdout.splitlines() if line[0] != " "} == there

    recipe = run(installed, "recipes", "run", "quickstart/digits", "--scale", "smoke", cwd=tmp_path)
    assert recipe.stdout == "recipes/results/quickstart/digits.smoke.json\n", recipe.stderr
    assert (tmp_path / recipe.stdout.strip()).is_file()
