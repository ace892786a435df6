"""The reproduction report: every recipe in it, verdicts from the bars, smoke never shown, the page on its own feet."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest

from faceshield.cli.recipes_report import build_sections
from faceshield.core.results import Expected
from faceshield.experiments.engine.plan import digest_config
from faceshield.experiments.engine.recipe import find_recipes, read_recipe
from faceshield.reports.plot import Plot
from faceshield.reports.reproduction import Section, write_report


def result(scale="mini", accuracy=0.1, **fields):
    cells = [{"key": {"noise": "bank"}, "seed": seed, "metrics": {"test_accuracy_final": accuracy}} for seed in (0, 1)]
    made = {"recipe": "paper/one", "scale": scale, "claim": "It <works>.", "device": "a GPU", "wall_s": 7200.0}
    return {**made, "cells": cells, **fields}


BAR = Expected(key={"noise": "bank"}, metric="test_accuracy_final", paper=0.1642, at_most=0.2)


def section(*results, note=None, plots=(), stale=False):
    return Section("paper/one", "It <works>.", note, (BAR,), plots, (), tuple((one, stale) for one in results))


@pytest.fixture
def written(tmp_path):
    def write(*made):
        pages = write_report(made, tmp_path / "results", tmp_path / "out")
        assert [page.name for page in pages] == ["REPRODUCTION.md", "REPRODUCTION.html"]
        return [page.read_text(encoding="utf-8") for page in pages]

    return write


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.1, "agree"), (0.3, "differ")])
def test_ours_beside_the_papers_with_a_verdict(written, accuracy, verdict):
    text, page = written(section(result(accuracy=accuracy), result("paper", 0.15), note="Ours is smaller."))
    assert f"| paper/one | It <works>. | {verdict} (mini), agree (paper) |" in text
    assert f"### paper/one at mini scale: {verdict}" in text
    assert "Seeds 0, 1 on a GPU; 2.0 hours." in text
    ours = f"{accuracy:.1%} ± 0.0%"
    assert f"| bank | test_accuracy_final | {ours} | 2 | 16.42% | ≤ 20% | {verdict} |" in text
    assert "Note: Ours is smaller." in text
    assert "It &lt;works&gt;." in page
    assert "<works>" not in page
    assert f'<span class="verdict {verdict}">{verdict}</span>' in page
    assert f"<td>{ours}</td><td>2</td><td>16.42%</td><td>≤ 20%</td>" in page
    assert '<p class="note">Ours is smaller.</p>' in page


def test_a_smoke_result_is_never_a_reproduction(written):
    for text in written(section(result("smoke", 0.123))):
        assert "12.3%" not in text
        assert "a GPU" not in text
        assert "smoke scale" not in text.replace("at scale smoke", "")
        assert "agree (" not in text
        assert "faceshield recipes run paper/one" in text


def test_what_is_open_or_has_changed_is_said(written):
    open_ = [{"key": {"noise": "bank"}, "seed": 2}]
    for text in written(section(result(not_run=open_), stale=True)):
        assert "Not run yet: 1 of 3 cells. The recipe&#39;s settings" in text.replace("recipe's", "recipe&#39;s")
        assert "paper/one at mini scale: " in text
        assert "partly run (mini)" in text


def test_figures_are_linked_and_the_page_needs_nothing_else(written, tmp_path):
    text, page = written(section(result(), plots=(Plot("bars"),)))
    (link,) = re.findall(r"!\[.*\]\((.*)\)", text)
    assert (tmp_path / "out" / link).resolve() == tmp_path / "results/paper/one.mini.png"
    assert (tmp_path / "out" / link).is_file()
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert ElementTree.fromstring(base64.b64decode(data)).tag.endswith("svg")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    again = write_report([section(result(), plots=(Plot("bars"),))], tmp_path / "results", tmp_path / "out")
    assert [path.read_text(encoding="utf-8") for path in again] == [text, page], "it changes by itself"


@pytest.mark.slow
def test_every_recipe_and_every_stored_result_has_a_section(root, tmp_path, monkeypatch):
    """Each figure is composed; writing it, which takes seconds, is what test_figures.py is about."""

    def save(figure, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
        for file in files:
            file.touch()
        return files

    monkeypatch.setattr("faceshield.reports.figures.save", save)
    found = build_sections(root / "recipes", root / "recipes/results")
    recipes = [read_recipe(path) for path in find_recipes(root / "recipes")]
    ids = [section.id for section in found]
    assert ids[: len(recipes)] == sorted(recipe.id for recipe in recipes)
    assert "benchmarks/cloak" in ids
    text, page = (path.read_text(encoding="utf-8") for path in write_report(found, tmp_path / "results", tmp_path))
    for recipe in recipes:
        assert f"\n## {recipe.id}\n\n{recipe.claim}\n" in text
        assert f'<h2 id="{recipe.id}">' in page
    by_id = {section.id: section for section in found}
    for recipe in recipes:
        for result_, stale in by_id[recipe.id].results:
            same = result_["config_sha256"] == digest_config(recipe, result_["scale"])
            assert stale != same
