"""What the documents say of the source is what is there; README's library snippets run."""

from __future__ import annotations

import doctest
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
    for document in ("docs/architecture.md", "CONTRIBUTING.md", "README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:faceshield|recipes|tests|weights|docs)/[\w./-]+\.\w+)`", text):
            assert (ROOT / name).is_file(), f"{document}: {name}"
        if document != "README.md":
            for name in re.findall(r"`(\w+(?:/\w+)+\.py)`", text):
                assert (ROOT / name).is_file() or (ROOT / "faceshield" / name).is_file(), f"{document}: {name}"


def test_the_library_snippets_of_readme_run(tmp_path, monkeypatch, portrait, put):
    put(tmp_path / "photo.jpg", portrait)
    for number, person in enumerate("abcd"):
        for photo in "12":
            put(tmp_path / "photos" / person / f"{photo}.png", portrait // (number + 1))
    rows = [f"{a}/1.png,{a}/2.png,1,{fold}\n{a}/1.png,{b}/1.png,0,{fold}" for fold, (a, b) in enumerate(["ab", "cd"])]
    (tmp_path / "pairs.csv").write_text("\n".join(["left,right,same,fold", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parser = doctest.DocTestParser()
    test = parser.get_doctest(text, {}, "README.md", "README.md", 0)
    assert len(test.examples) > 8
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert result.failed == 0
