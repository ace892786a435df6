"""The fenced blocks of a document, and how they say what becomes of them.

A block with a ``title`` is a file of that name. ```` ```python ```` is run, as a doctest where it has ``>>>``;
```` ```console ```` is run command by command (``$ …``), and what it prints is compared where the document shows it.
A comment on the line before says otherwise: ``<!-- slow -->``, or ``<!-- not run: REASON -->``, one of :data:`REASONS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(ROOT.glob("docs/*.md"))

REASONS = {
    "network": "fetches from the network, or builds what does",
    "data": "needs photos that a clone lacks",
    "minutes": "takes minutes",
    "stays open": "ends only when its user ends it",
    "devices": "needs several graphics processors",
    "start": "is what starts these tests",
}
TEXT = ("text", "bibtex")
_FENCE = re.compile(
    r'^(?:<!-- (?P<mark>slow|not run: (?P<reason>[\w ]+)) -->\n)?```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n'
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``reason`` says why it is not run, ``line`` where it begins in its document."""

    language: str
    title: str | None
    text: str
    line: int
    slow: bool
    reason: str | None


def read_blocks(path: Path) -> list[Block]:
    """The blocks of a document that are more than text, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            found["language"],
            found["title"],
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
            found["mark"] == "slow",
            found["reason"],
        )
        for found in _FENCE.finditer(text)
        if found["language"] not in TEXT
    ]


@dataclass(frozen=True)
class Command:
    """One line after ``$``; ``shown`` is what the document says it prints, ``code`` how it ends (``# exit code 3``)."""

    line: str
    shown: str
    code: int


def read_commands(text: str) -> list[Command]:
    """The commands of a console block; a line that ends in a backslash goes on in the next."""
    commands = []
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        line, _, comment = line.partition("  # ")
        code = re.search(r"exit code (\d+)", comment)
        commands.append(Command(line.strip(), shown, int(code[1]) if code else 0))
    return commands
