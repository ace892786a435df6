"""Remove the temporary files that killed runs have left in the output folder."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.core.outputs import lock_folder
from faceshield.core.store import is_temporary

_DEAD = 60  # seconds since the last write; a living run renames its file within a few


def sweep(folders: Iterable[Path], ours: Collection[Path] = ()) -> None:
    """Remove the half-written files of dead runs from ``folders`` (not from those below them).

    Where another run may be writing into a folder, files changed within the last minute stay; not so in those of
    ``ours``, whose lock this run has, and in those whose lock is free. Never raises: files that cannot be removed stay
    as well.
    """
    for folder in folders:
        with contextlib.suppress(OSError, UsageError):
            if folder in ours:
                _sweep(folder, 0)
                continue
            _sweep(folder, _DEAD)
            with lock_folder(folder) as locked:
                if locked:
                    _sweep(folder, 0)


def _sweep(folder: Path, age: float) -> None:
    for path in folder.iterdir():
        if is_temporary(path):
            _remove(path, age)


def _remove(path: Path, age: float) -> None:
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime >= age:
            path.unlink()
