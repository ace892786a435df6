"""Every figure in README and in docs/results.md comes from a file under recipes/results/."""

from __future__ import annotations

import importlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_results_are_what_the_files_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes/pages"))
    readme = importlib.import_module("readme")
    assert set(readme.DOCUMENTS) == {"README.md", "docs/results.md", "docs/methods.md"}
    for name, write in readme.DOCUMENTS.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        printed = text.split(readme.BEGIN)[1].split(readme.END)[0].strip()
        assert printed == write(readme.RESULTS).strip(), f"{name}: python recipes/pages/readme.py writes it anew"
