"""Go through a document in a folder of its own, as a reader would, from the first block to the last."""

from __future__ import annotations

import configparser
import contextlib
import doctest
import io
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blocks import Block, Command, read_commands
from click.testing import Result

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Walk:
    """What one document's blocks share: the folder, which is the current one, and Python's names."""

    def __init__(self, document: str, cli: Callable[..., Result], patch: pytest.MonkeyPatch) -> None:
        self.document, self.cli, self.patch = document, cli, patch
        self.names: dict[str, Any] = {"__name__": "document"}

    def run(self, block: Block) -> None:
        """Raises AssertionError where a block fails, prints something else than it shows, or cannot be run."""
        where = f"{self.document}, line {block.line}"
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and ">>> " in block.text:
            test = doctest.DocTestParser().get_doctest(block.text, self.names, where, self.document, block.line)
            test.globs = self.names  # get_doctest copies them, and the next block needs what this one names
            told = io.StringIO()
            failed = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.write, clear_globs=False).failed
            assert not failed, told.getvalue()
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), self.names)
        elif block.language == "console":
            for command in read_commands(block.text):
                printed = self._ask(command, where)
                shown = not command.shown or doctest.OutputChecker().check_output(command.shown, printed, OPTIONS)
                assert shown, f"{where}: {command.line}\nshown:\n{command.shown}\nprinted:\n{printed}"
        else:
            raise AssertionError(f"{where}: a {block.language or 'bare'} block is not run; give it a title or a mark")

    def _ask(self, command: Command, where: str) -> str:
        match shlex.split(command.line):
            case ["faceshield", *words]:
                return self.cli(*words, code=command.code).output
            case ["python", script]:
                told = io.StringIO()
                with contextlib.redirect_stdout(told):
                    runpy.run_path(script, run_name="__main__")
                return told.getvalue()
            case ["pip", "install", "--editable", "."]:
                self._install()
                return ""
        raise AssertionError(f"{where}: {command.line!r} is nothing that a test can run; mark it with a reason")

    def _install(self) -> None:
        """What an editable installation leaves: the folder on the path, with its entry points."""
        setup = configparser.ConfigParser()
        setup.read("setup.cfg", encoding="utf-8")
        points = configparser.ConfigParser()
        for group, lines in setup["options.entry_points"].items():
            points[group] = dict(map(str.strip, line.split("=", 1)) for line in lines.strip().splitlines())
        name, version = setup["metadata"]["name"], setup["metadata"]["version"]
        folder = Path(f"{name.replace('-', '_')}-{version}.dist-info")
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        with (folder / "entry_points.txt").open("w", encoding="utf-8") as file:
            points.write(file)
        self.patch.syspath_prepend(str(Path.cwd()))
