"""A stable fingerprint of a data folder or archive: which files, how large; a result says what it was made on."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.core.store import sha256


def fingerprint(path: Path) -> str:
    """ "sha256 of N names and sizes: …" of the files in a folder or zip, "sha256: …" of any other file's content.

    The content of a folder's or zip's files is not hashed, since reading many pictures takes minutes: a change that
    keeps name and size goes unnoticed. Order, dates and the folder's path do not matter. Raises UsageError where there
    is nothing, or for an invalid zip.
    """
    if path.is_dir():
        names = [
            (Path(folder, name).relative_to(path).as_posix(), Path(folder, name).stat().st_size)
            for folder, _, files in os.walk(path)
            for name in files
        ]
    elif path.suffix == ".zip" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                names = [(info.filename, info.file_size) for info in archive.infolist() if not info.is_dir()]
        except zipfile.BadZipFile as error:
            raise UsageError(f"{path}: is not a zip archive ({error}); fetch it again") from None
    elif path.is_file():
        return f"sha256: {sha256(path)}"
    else:
        raise UsageError(f"{path}: is not there; give the folder that holds {path.name!r} by --data")
    # !a: a name with a line break in it must not pass for two names, and a name may hold bytes that are no text
    lines = "\n".join(f"{size} {name!a}" for name, size in sorted(names))
    return f"sha256 of {len(names)} names and sizes: {sha256(lines.encode())}"
