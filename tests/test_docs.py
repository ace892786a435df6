"""What the documents say of the source is what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_architectures_table_is_the_tree():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)/` \| [^|]+ \| ([^|]*) \|$", text, re.MULTILINE)
    told = {f"{folder}/{name}" for folder, files in rows for name in re.findall(r"\w+", files)}
    package = ROOT / "faceshield"
    there = {
        path.relative_to(package).with_suffix("").as_posix()
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and path.parent != package
    }
    assert told == there


def test_files_that_documents_name_are_there():
    pages = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/*.md"))]
    for document in ("README.md", "CONTRIBUTING.md", "SECURITY.md", *pages):
        text = (ROOT / document).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:faceshield|recipes|tests|weights|docs)/[\w./-]+\.\w+)`", text):
            assert (ROOT / name).is_file(), f"{document}: {name}"
        if document in ("docs/architecture.md", "CONTRIBUTING.md"):
            for name in re.findall(r"`(\w+(?:/\w+)+\.py)`", text):
                assert (ROOT / name).is_file() or (ROOT / "faceshield" / name).is_file(), f"{document}: {name}"


def test_the_memory_of_large_pictures_is_what_was_measured():
    cells = json.loads((ROOT / "recipes/results/reliability.json").read_text(encoding="utf-8"))["cells"]
    peaks = {c["key"]["check"]: c["metrics"]["peak_mb"] for c in cells if c["metrics"].get("megapixels") == 200}
    text = (ROOT / "docs/selfies.md").read_text(encoding="utf-8")
    told = {check: float(peak) for peak, check in re.findall(r"\| ([\d.]+) MB \(`([\w-]+)`\) \|", text)}
    assert told == peaks
