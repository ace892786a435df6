"""Each sentence that the page asks for is in the one file of sentences, and none is left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "faceshield/app/static"
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
STRINGS = dict(re.findall(r'^  "?([\w. -]+?)"?: "(.*)",$', SCRIPTS["strings.js"], re.MULTILINE))


def asked():
    """Keys as they stand in the page and the scripts; a part that is filled in becomes any text."""
    literal = set(re.findall(r'data-t="([^"]+)"', PAGE))
    patterns = set()
    for name, text in SCRIPTS.items():
        if name == "strings.js":
            continue
        literal |= set(re.findall(r'"((?:[a-z_]+)(?:\.[\w -]+)+)"', text)) & set(STRINGS)
        literal |= set(re.findall(r'\bt\(\s*"([^"]+)"', text))
        patterns |= set(re.findall(r"`([a-z]+\.[^`]*)`", text))
    lists = re.search(r"const selects = \{(.*?)\};", SCRIPTS["choices.js"], re.DOTALL)[1]
    for name, values in re.findall(r"(\w+): \[(.*?)\]", lists):
        for value in re.findall(r'"([^"]+)"', values):
            literal |= {f"{name}.{value}", f"{name}.hint.{value}"}
    literal |= {f"{key}.label" for key in literal if f"{key}.label" in STRINGS}
    return literal, [re.compile(re.sub(r"\\\$\\\{.*?\\\}", ".+", re.escape(pattern))) for pattern in patterns]


def test_the_file_of_sentences_is_read():
    lines = [line for line in SCRIPTS["strings.js"].splitlines() if re.match(r'  "?[\w.]', line)]
    assert len(lines) == len(STRINGS) > 150


def test_no_sentence_is_missing():
    literal, _ = asked()
    assert literal - set(STRINGS) == set()


def test_no_sentence_is_left_over():
    literal, patterns = asked()
    unused = [key for key in STRINGS if key not in literal and not any(p.fullmatch(key) for p in patterns)]
    assert unused == []


def test_each_refusal_has_a_sentence():
    source = "".join(path.read_text(encoding="utf-8") for path in STATIC.parent.glob("*.py"))
    codes = set(re.findall(r'Refusal\(\s*f?"([^"]+)"', source)) - {"few_{kind}"} | {"few_cloaked", "few_clean"}
    assert len(codes) > 12
    assert {f"error.{code}" for code in codes} - set(STRINGS) == set()


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - {"strings.js"}))
def test_scripts_hold_no_sentence_and_no_markup(name):
    text = re.sub(r"//.*|/\*.*?\*/", "", SCRIPTS[name])
    assert not re.findall(r'"[A-Z][a-z]+ [a-z]+ [^"]*"', text)
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text
    assert "eval(" not in text
