"""A private folder that holds copies of a store's files, each where its address says, for as long as a run lasts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceshield.core.address import Address
from faceshield.core.errors import StoreError
from faceshield.core.outputs import lock_folder, open_folder
from faceshield.core.store import sha256


class Mirror:
    """The copies of the files of one ``scheme`` below ``folder``, and texts with their paths turned into addresses."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.folder, self._scheme = folder, f"{scheme}://"
        self._root = f"{folder / scheme}{os.sep}"

    def place(self, address: Address) -> Path:
        """Where the copy of a file, or of all below it, belongs."""
        return Path(self._root) / address.path

    def name(self, text: str) -> str:
        """``text`` with addresses in place of the paths of copies."""
        return text.replace(self._root, self._scheme)

    def name_in_json(self, text: str) -> str:
        """The same in JSON, whole or cut off, with other letters escaped or not."""
        for ascii_ in (True, False):
            text = text.replace(json.dumps(self._root, ensure_ascii=ascii_)[1:-1], self._scheme)
        return text

    def localise_json(self, text: str) -> str:
        """The inverse of :meth:`name_in_json`."""
        return text.replace(self._scheme, json.dumps(self._root)[1:-1])

    def empty(self) -> None:
        """Delete all copies. Raises StoreError where that is refused."""
        for path in self.folder.iterdir():
            _delete(path)


@contextmanager
def open_mirror(work: Path, out: Address) -> Iterator[Mirror]:
    """The mirror of the runs into ``out`` below the folder ``work``, mode 0700, locked and in the end deleted.

    What a run that was killed has left there is still in it. Raises StoreError where it cannot be made or belongs to
    somebody else, UsageError where another run on this machine writes into ``out``.
    """
    folder = work.absolute() / f"faceshield-{sha256(str(out).encode())[:16]}"
    fix = "choose another folder by --work"
    open_folder(work, fix)
    open_folder(folder, fix, mode=0o700)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != getattr(os, "getuid", lambda: status.st_uid)():
        raise StoreError(f"{folder}: belongs to somebody else; {fix}")
    folder.chmod(0o700)
    with lock_folder(folder):
        try:
            yield Mirror(folder, out.scheme)
        finally:
            _delete(folder)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"{folder}: holds copies of photos and cannot be deleted ({error.strerror})") from error
