"""Where each output comes out: under its input's name, and never over a file that is not this run's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from faceshield.cloaking.album import Item, numbered, stem
from faceshield.core.store import sha256


class OutputNames:
    """The names in the folder ``out`` that a run may write; used from several threads.

    ``taken``: stems (see :func:`album.stem`) of outputs that stay, and of those planned. ``own``: SHA-256 by place of
    what an earlier run wrote and this one may write anew.
    """

    def __init__(self, out: Path, taken: Iterable[str] = (), own: Mapping[str, str | None] | None = None) -> None:
        self.out, self._taken, self._own = out, set(taken), own or {}
        self._lock = Lock()

    def settle(self, item: Item, suffix: str, data: bytes) -> Path:
        """Where below ``out`` the finished ``data`` of ``item`` may be written.

        Its planned place under ``suffix``, shortened to what a file system allows; numbered where that has become
        another output's, or where somebody has put a file there since. A file that holds ``data`` already is no
        stranger: a run killed before it could note its output left it.
        """
        planned = stem(item.place)
        with self._lock:
            place = next(
                place
                for place in numbered(item.place.with_suffix(suffix))
                if (stem(place) == planned or stem(place) not in self._taken) and not self._strange(place, data)
            )
            self._taken.add(stem(place))
        return place

    def _strange(self, place: Path, data: bytes) -> bool:
        path = self.out / place
        if not os.path.lexists(path):
            return False
        if path.is_symlink() or not path.is_file():
            return True
        there = path.read_bytes()
        return there != data and sha256(there) != self._own.get(str(place))
