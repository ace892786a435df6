"""Check where a command will write, before it works for an hour."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceshield.core.errors import StoreError, UsageError


def check_new_file(out: Path, what: str, *suffixes: str) -> None:
    """Raise UsageError where ``out``, ``what`` in words, ends in none of ``suffixes`` or is there already, and
    StoreError where its folder cannot be written.
    """
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"{out}: {what}; name it {out.stem or 'report'}{suffixes[0]}")
    try:
        there = out.exists()
    except OSError as error:
        raise UsageError(f"{out}: cannot be the name of a file ({error.strerror}); choose another name") from None
    if there:
        raise UsageError(f"{out}: exists already; choose another name")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{out}: cannot be written ({folder} is no folder to write in); choose another folder")


def open_folder(folder: Path, fix: str, mode: int = 0o777) -> None:
    """Make ``folder`` where it is not there. Raises StoreError, which ends in ``fix``, where it cannot be written:
    better before the work than after it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); {fix}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder}: cannot be written (no permission); {fix}")


@contextmanager
def lock_folder(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """While the block runs nobody else has the lock of ``folder``, which must be there; it ends with the process.

    Yields whether there is a lock: Windows has none for folders, nor have some network file systems. Raises UsageError
    where another process has it, unless told to ``wait``.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        except BlockingIOError:
            raise UsageError(f"{folder}: another run is writing there; wait for it or choose another folder") from None
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(handle)


def refuse_inside(out: Path, source: Path) -> None:
    """Raise UsageError where ``out`` is the folder ``source`` or lies in it: it would become a part of what is read."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out}: lies in {source}, which is read; choose a folder beside it")
