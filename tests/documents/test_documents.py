"""Every command and snippet of the documents runs, in a folder of samples; those that cannot say why.

The folder holds ``selfies/`` and ``clean/`` (crops of scikit-image's portrait, in the public domain), ``photo.jpg``,
``group.jpg`` with two faces, ``photos/`` of four made-up people with ``pairs.csv``, and ``pictures/`` in two classes. A
noise for "me" is ready; the slow walk makes it.
"""

from __future__ import annotations

import re
import shlex

import click
import numpy as np
import pytest
import yaml
from blocks import DOCUMENTS, REASONS, ROOT, TEXT, read_blocks, read_commands
from walk import Walk

from faceshield.cli.main import main
from faceshield.noise import vault

BLOCKS = {path: read_blocks(path) for path in DOCUMENTS}
RUN = [path for path in DOCUMENTS if any(block.reason is None for block in BLOCKS[path])]
SLOW = [path for path in RUN if any(block.slow for block in BLOCKS[path])]


def place(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def samples(tmp_path, monkeypatch, astronaut, portrait, put):
    """The folder of samples, as the current one."""
    crops = {"1": portrait, "2": portrait[:, ::-1], "3": astronaut[:300, 80:380]}
    for name, crop in crops.items():
        put(tmp_path / f"selfies/{name}.jpg", np.ascontiguousarray(crop), quality=95)
    for name, crop in {"4": astronaut[:280, 90:350], "5": astronaut[8:256, 300:90:-1]}.items():
        put(tmp_path / f"clean/{name}.jpg", np.ascontiguousarray(crop), quality=95)
    put(tmp_path / "photo.jpg", portrait, quality=95)
    put(tmp_path / "group.jpg", np.concatenate([portrait, portrait[:, ::-1] // 2 + 40], 1), quality=95)
    for number, person in enumerate("abcd"):
        for photo in "12":
            put(tmp_path / "photos" / person / f"{photo}.png", portrait // (number + 1))
    rows = [f"{a}/1.png,{a}/2.png,1,{fold}\n{a}/1.png,{b}/1.png,0,{fold}" for fold, (a, b) in enumerate(["ab", "cd"])]
    (tmp_path / "pairs.csv").write_text("\n".join(["left,right,same,fold", *rows]), encoding="utf-8")
    draw = np.random.default_rng(0)
    for kind, low in (("cats", 0), ("dogs", 128)):
        for number in range(4):
            put(tmp_path / f"pictures/{kind}/{number}.png", draw.integers(low, low + 128, (32, 32, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", RUN, ids=place)
def test_what_is_quick_runs(path, samples, me, cli, monkeypatch):
    walk = Walk(place(path), cli, monkeypatch)
    for block in BLOCKS[path]:
        if block.reason is None and not block.slow:
            walk.run(block)


@pytest.mark.slow
@pytest.mark.parametrize("path", SLOW, ids=place)
def test_all_of_it_runs(path, samples, cli, monkeypatch):
    assert not vault.list_names()
    walk = Walk(place(path), cli, monkeypatch)
    for block in BLOCKS[path]:
        if block.reason is None:
            walk.run(block)


def test_a_walk_notices(tmp_path, cli, monkeypatch):
    walk = Walk("here", cli, monkeypatch)
    shown = "```console\n$ faceshield --version\nnothing\n```\n"
    for text in (shown, "```\nls\n```\n", "```console\n$ rm -r /\n```\n", "```python\n>>> 1 + 1\n3\n\n```\n"):
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            walk.run(read_blocks(path)[0])


def test_few_are_not_run_and_they_say_why():
    blocks = [(path, block) for path in DOCUMENTS for block in BLOCKS[path]]
    for path, block in blocks:
        assert block.reason is None or block.reason in REASONS, f"{place(path)}, line {block.line}: {block.reason}"
        assert block.language, f"{place(path)}, line {block.line}: a fence without a language"
    assert sum(block.reason is not None for _, block in blocks) < len(blocks) / 3
    for path in DOCUMENTS:
        fences = re.findall(r"^\s*```(\w*)", path.read_text(encoding="utf-8"), re.MULTILINE)
        text = sum(language in TEXT for language in fences)
        assert len(fences) == 2 * (len(BLOCKS[path]) + text), f"{place(path)}: a fence that no test would see"


def find_command(words):
    """The click command that ``words`` name, and the words that are left."""
    command = main
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


def test_commands_that_are_only_named_exist():
    """Those in the text, in tables, and in blocks that are not run."""
    seen = 0
    makes = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        lines = [line.replace("\\|", "|") for line in re.findall(r"`((?:faceshield|make) [^`\n]+)`", text)]
        lines += [command.line for block in BLOCKS[path] for command in read_commands(block.text)]
        for line in lines:
            words = shlex.split(line.replace("…", ""))
            if words[0] == "make":
                assert set(words[1:]) <= makes, f"{place(path)}: {line}"
            if words[0] != "faceshield":
                continue
            for first in words[1].split("|"):
                command, rest = find_command([first, *words[2:]])
                if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
                    assert set(rest[0].split("|")) <= set(command.commands), f"{place(path)}: {line}"
                    continue
                known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
                known |= {"-h", "--help", "--version"}
                used = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
                assert command is not main or used, f"{place(path)}: {line}"
                assert used <= known, f"{place(path)}: {line} has {used - known}"
                seen += 1
    assert seen > 30


def test_links_between_documents_lead_somewhere():
    seen = 0
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8")):
            if not re.match(r"\w+:", target):
                assert (path.parent / target).exists(), f"{place(path)}: {target}"
                seen += 1
    assert seen > 20


def test_the_site_has_every_page_and_loads_nothing_from_elsewhere():
    config = yaml.safe_load(re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))

    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        return [page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages(part)]

    assert sorted(pages(config["nav"])) == sorted(path.name for path in ROOT.glob("docs/*.md"))
    assert config["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css", "repo_url"} & set(config)
