"""Files and folders as a command line names them: by a path, or by the same as a file:// address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from faceshield.core.errors import UsageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class Place(click.Path):
    """A path, absolute where it was a ``file://`` address.

    Raises UsageError for an address of anything else, such as ``s3://``: as a path it would be an odd folder here.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        return super().convert(_to_path(value) if isinstance(value, str) else value, param, ctx)


def _to_path(text: str) -> str:
    if not _ADDRESS.match(text):
        return text
    address = urlsplit(text)
    if address.scheme != "file":
        raise UsageError(f"{text}: {address.scheme}:// is not read; mount it and name the folder (docs/cluster.md)")
    if address.netloc not in ("", "localhost"):
        raise UsageError(f"{text}: names the machine {address.netloc!r}; write file:///PATH for a folder of this one")
    return url2pathname(text[len("file://") + len(address.netloc) :])
