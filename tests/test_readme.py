"""Every figure in the README's results comes from a file under recipes/results/."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_results_are_what_the_files_say():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "recipes" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    printed = text.split(readme.BEGIN)[1].split(readme.END)[0].strip()
    assert printed == readme.block().strip()
