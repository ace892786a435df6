"""A file that a command is to write: looked at before any work, so that an hour's result has a place to go."""

from __future__ import annotations

import os
from pathlib import Path

from faceshield.core.errors import StoreError, UsageError


def new_file(out: Path, what: str, *suffixes: str) -> None:
    """Raise UsageError where ``out``, ``what`` in words, ends in none of ``suffixes`` or is there already, and
    StoreError where its folder cannot be written.
    """
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"{out}: {what}; name it {out.stem or 'report'}{suffixes[0]}")
    try:
        there = out.exists()
    except OSError as error:
        raise UsageError(f"{out}: is no place for a file ({error.strerror}); choose another name") from None
    if there:
        raise UsageError(f"{out}: exists already; choose another name")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{out}: cannot be written ({folder} is no folder to write in); choose another folder")
