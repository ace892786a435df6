"""Files and folders as a command line names them: by a path, by the same as a file:// address, or in a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from faceshield.core.address import Address
from faceshield.core.errors import UsageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.:-]+://", re.IGNORECASE)


class Place(click.Path):
    """A path, absolute where it was a ``file://`` address; an Address of a store where ``stores`` may be named.

    Raises UsageError for an address of anything else: as a path it would be an odd folder here.
    """

    def __init__(self, *, stores: bool = False) -> None:
        super().__init__(path_type=Path)
        self._stores = stores

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str) or not _ADDRESS.match(value):
            return super().convert(value, param, ctx)
        if value.lower().startswith("file://"):
            return super().convert(_to_path(value), param, ctx)
        address = Address.parse(value)
        if not self._stores:
            raise UsageError(
                f"{address}: {address.scheme}:// is not read here; mount it and name the folder (docs/cluster.md)"
            )
        return address


def _to_path(text: str) -> str:
    address = urlsplit(text)
    if address.netloc not in ("", "localhost"):
        raise UsageError(f"{text}: names the machine {address.netloc!r}; write file:///PATH for a folder of this one")
    return url2pathname(text[len("file://") + len(address.netloc) :])
