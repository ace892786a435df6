"""Where the folders that come with the tool lie: inside the package when it is installed, beside it in the source."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def list_places(name: str) -> list[Path]:
    """Where the shipped folder ``name`` may be, the likeliest first; none need exist."""
    return [_PACKAGE / name, _PACKAGE.parent / name]
