"""Addresses of files in a store, such as ``s3://bucket/key``: told from paths, and never one that holds a secret."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from faceshield.core.errors import UsageError
from faceshield.core.safe_names import is_safe

SCHEMES = ("s3", "memory")


@dataclass(frozen=True)
class Address:
    """A file, or all files below a name, in a store; ``path`` is bucket/key without slashes at its ends."""

    scheme: str
    path: str

    @staticmethod
    def parse(text: str) -> Address:
        """Of ``scheme://bucket/key``. Raises UsageError for another scheme, a part that is no plain name, and for what
        may be a password or a signature, which the message does not repeat.
        """
        scheme, _, path = text.partition("://")
        scheme, path = scheme.lower(), path.rstrip("/")
        if not {"@", ":"}.isdisjoint(path.split("/")[0]) or "?" in path:
            raise UsageError(
                f"{scheme}://…: holds a user, a password or a query; write {scheme}://BUCKET/KEY and leave those to the"
                " settings of the store"
            )
        if scheme not in SCHEMES:
            raise UsageError(f"{text}: {scheme}:// is not read; mount it and name the folder (docs/cluster.md)")
        if not is_plain(path):
            raise UsageError(f"{text!r}: is no plain address; write {scheme}://BUCKET/KEY")
        return Address(scheme, path)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, name: str) -> Address:
        """What has the relative ``name`` below this; "" is this itself."""
        return Address(self.scheme, f"{self.path}/{name}" if name else self.path)

    def contains(self, other: Address) -> bool:
        """Whether ``other`` is this or lies below it."""
        return self.scheme == other.scheme and f"{other.path}/".startswith(f"{self.path}/")


def is_plain(name: str) -> bool:
    """Whether ``name`` is safe as a path here and holds nothing that fsspec or a terminal takes for a command."""
    return is_safe(name) and "::" not in name and not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
