"""The data sets that are fetched from their official places when somebody asks for it, and only then."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceshield.core.errors import StoreError, UsageError

OnBytes = Callable[[str, int], None]
"""``on_bytes(file, so many more)`` hears of what has arrived."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class OfficialFile:
    """``md5`` is the checksum that the source (or torchvision, which reads the same file) gives."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The last part of the address, under which it is kept."""
        return self.url.rsplit("/", 1)[-1]


_TORONTO, _SVHN, _LFW = (
    "https://www.cs.toronto.edu/~kriz",
    "http://ufldl.stanford.edu/housenumbers",
    "http://vis-www.cs.umass.edu/lfw",
)
OFFICIAL: dict[str, tuple[OfficialFile, ...]] = {
    "cifar10": (OfficialFile(f"{_TORONTO}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
    "cifar100": (OfficialFile(f"{_TORONTO}/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),),
    "svhn": (
        OfficialFile(f"{_SVHN}/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        OfficialFile(f"{_SVHN}/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    ),
    "lfw": (
        OfficialFile(f"{_LFW}/lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201"),
        OfficialFile(f"{_LFW}/pairs.txt", "9f1ba174e4e1c508ff7cdf10ac338a7d"),
    ),
}
FOLDERS = {"svhn": "svhn", "lfw": "lfw"}  # what comes as several files has a folder of its own


def fetch(name: str, folder: Path, on_bytes: OnBytes | None = None) -> list[Path]:
    """Download data set ``name`` of :data:`OFFICIAL` into ``folder``; returns where its files lie, unpacking nothing.

    A file that is there already and whole is kept. Raises UsageError for another name; StoreError where a file cannot
    be fetched or written, or is not what the checksum says: nothing is left of it then.
    """
    if name not in OFFICIAL:
        raise UsageError(f"data set {name!r} is not fetched here; use {', '.join(OFFICIAL)}")
    place = folder / FOLDERS.get(name, "")
    return [_fetch_one(file, place / file.name, on_bytes) for file in OFFICIAL[name]]


def _fetch_one(file: OfficialFile, path: Path, on_bytes: OnBytes | None) -> Path:
    if path.is_file() and _md5(path) == file.md5:
        return path
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".faceshield-", suffix=".part")
        temporary = Path(name)
        digest = hashlib.md5(usedforsecurity=False)
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(file.url, timeout=60) as answer:
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                if on_bytes is not None:
                    on_bytes(file.name, len(chunk))
        if digest.hexdigest() != file.md5:
            raise StoreError(f"{file.url}: arrived with MD5 {digest.hexdigest()}, expected {file.md5}; try again later")
        temporary.replace(path)
    except urllib.error.URLError as error:
        raise StoreError(
            f"{file.url}: cannot be fetched ({error.reason}); fetch it by hand and put it at {path}"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be fetched or written ({error}); try again or choose another folder"
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # it is gone where all went well
    return path


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
