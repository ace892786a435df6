"""Files from their official places, fetched when somebody asks for it and only then; kept only if they are whole."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import replace_file

OnBytes = Callable[[str, int, int | None], None]
"""``on_bytes(file, bytes so far, bytes in all)``; None in all where the server does not say."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """``digest`` is hexadecimal."""

    algorithm: Literal["md5", "sha256"]
    digest: str

    def fault(self, path: Path) -> str | None:
        """What is wrong with the file at ``path``, to end a sentence with; None where it is the one that is meant.

        Raises OSError where it cannot be read.
        """
        hasher = hashlib.new(self.algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
        found = hasher.hexdigest()
        return None if found == self.digest else f"with {self.algorithm.upper()} {found}, expected {self.digest}"


@dataclass(frozen=True)
class OfficialFile:
    """``checksum`` is what the source, or a project that reads the same file, gives; ``folder`` where it is kept."""

    url: str
    checksum: Checksum
    folder: str = ""

    @property
    def name(self) -> str:
        """The last part of the address, under which it is kept."""
        return self.url.rsplit("/", 1)[-1]


def fetch(
    name: str, known: Mapping[str, Sequence[OfficialFile]], folder: Path, on_bytes: OnBytes | None = None
) -> list[Path]:
    """Download the files of ``known[name]`` into ``folder``; returns where they lie, unpacking nothing.

    A file that is there already and whole is kept. Raises UsageError for another name; StoreError where a file cannot
    be fetched or written, or is not what the checksum says: nothing is left of it then.
    """
    if name not in known:
        raise UsageError(f"{name!r} is not fetched here; use {', '.join(known)}")
    return [_fetch_one(file, folder / file.folder / file.name, on_bytes) for file in known[name]]


def _fetch_one(file: OfficialFile, path: Path, on_bytes: OnBytes | None) -> Path:
    try:
        if path.is_file() and file.checksum.fault(path) is None:
            return path
        with replace_file(path) as out:
            _receive(file, out, on_bytes)
            out.flush()
            if fault := file.checksum.fault(Path(out.name)):
                raise StoreError(f"{file.url}: arrived {fault}; try again later")
    except urllib.error.URLError as error:
        raise StoreError(
            f"{file.url}: cannot be fetched ({error.reason}); fetch it by hand and put it at {path}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise StoreError(
            f"{path}: cannot be fetched or written ({error}); try again or choose another folder"
        ) from None
    return path


def _receive(file: OfficialFile, out: BinaryIO, on_bytes: OnBytes | None) -> None:
    with urllib.request.urlopen(file.url, timeout=60) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length is not None and length.isdecimal() else None
        while chunk := answer.read(_CHUNK):
            out.write(chunk)
            if on_bytes is not None:
                on_bytes(file.name, out.tell(), total)
