"""Remove the temporary files that killed runs have left in the output folder."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from faceshield.core.store import is_temporary

_DEAD = 60  # seconds since the last write; a living run renames its file within a few


def sweep(folders: Iterable[Path]) -> None:
    """Remove the half-written files of dead runs from ``folders`` (not from those below them).

    Another run may be writing into the same folder, so files changed within the last minute stay. Never raises: files
    that cannot be removed stay as well.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if is_temporary(path):
                    _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > _DEAD:
            path.unlink()
