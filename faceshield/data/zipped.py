"""Picture files in a .zip, read in place: nothing is written to the disk, and nothing in it is believed."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from zipfile import BadZipFile, ZipFile, ZipInfo

from faceshield.core.errors import UsageError
from faceshield.core.safe_names import is_safe
from faceshield.data.pictures import LARGEST_FILE

_UNIX = 3  # the system whose file modes a member's attributes hold


class ZipTree:
    """Folders and files of an open archive by their names in it (``train/cat/0001.jpg``).

    Raises UsageError naming the member for an absolute name, one with ``..``, a backslash or a device's name, for a
    link or a device, and for one that is there twice. Hidden members (``.DS_Store``, ``__MACOSX/``) are passed over.
    """

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._path, self._archive, self._reading = path, archive, Lock()
        self._folders: dict[str, set[str]] = {"": set()}
        self._files: dict[str, set[str]] = {"": set()}
        for info in archive.infolist():
            self._refuse_special(info)
            self._add(info.filename, info.is_dir())

    def folders(self, under: str) -> list[str]:
        """Names of the folders right below ``under`` ("" is the top), sorted."""
        return sorted(self._folders.get(under, ()))

    def files(self, folder: str) -> list[str]:
        """Names of the files right in ``folder``, sorted."""
        return sorted(self._files.get(folder, ()))

    def read(self, name: str) -> bytes:
        """The member's bytes; any thread may ask. Raises UsageError for a damaged, encrypted or oversized member."""
        size = self._archive.getinfo(name).file_size  # zipfile gives no more bytes than are declared
        if size > LARGEST_FILE:
            raise UsageError(f"{self._path}/{name}: is {size} bytes, no picture needs over {LARGEST_FILE}; take it out")
        try:
            with self._reading:  # zipfile counts its readers without a lock
                return self._archive.read(name)
        except Exception as error:  # one kind of error a compression method, and more for hostile headers
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"{self._path}/{name}: cannot be unpacked ({reason}); fetch the archive again") from None

    def _refuse_special(self, info: ZipInfo) -> None:
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UsageError(f"{self._path}: member {info.filename!r} is a link or a device; do not use this archive")

    def _add(self, name: str, is_folder: bool) -> None:
        parts = name.removesuffix("/").split("/")
        if not is_safe("/".join(parts)):
            raise UsageError(f"{self._path}: member {name!r} has an unsafe name; do not use this archive")
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            return
        depth = len(parts) if is_folder else len(parts) - 1
        for i in range(depth):
            folder = "/".join(parts[:i])
            self._folders.setdefault(folder, set()).add(parts[i])
        if not is_folder:
            siblings = self._files.setdefault("/".join(parts[:-1]), set())
            if parts[-1] in siblings:
                raise UsageError(f"{self._path}: member {name!r} is there twice; do not use this archive")
            siblings.add(parts[-1])


@contextmanager
def open_zip(path: Path) -> Iterator[ZipTree]:
    """The archive at ``path``. Raises UsageError where it cannot be read, is no zip or is cut off."""
    try:
        archive = ZipFile(path)
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{path}: cannot be read as a zip ({error}); fetch it again") from None
    with archive:
        yield ZipTree(path, archive)
