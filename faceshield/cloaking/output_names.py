"""Where each output is written: under its input's name, and never over a file that this run did not write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from faceshield.cloaking.album import Album, Item, fold_name, number_names, reserve
from faceshield.cloaking.journal import Journal
from faceshield.core.store import sha256


def plan_outputs(album: Album, out: Path, journal: Journal) -> tuple[list[Item], OutputNames]:
    """The photos of ``album`` that ``journal`` does not have as done, each with a free place, and the names in use."""
    finished = (*journal.done.values(), *journal.others)
    taken = {fold_name(Path(report.output)) for report in finished if report.output}
    items = [item for item in album.items if str(item.source) not in journal.done]
    planned = [replace(item, output=reserve(item.output, taken)) for item in items]
    return planned, OutputNames(out, taken, journal.written)


class OutputNames:
    """The names in the folder ``out`` that a run may write; used from several threads.

    Attributes:
        out: the output folder.
    """

    def __init__(self, out: Path, taken: Iterable[str] = (), written: Mapping[str, str | None] | None = None) -> None:
        """``taken``: the folded names (see :func:`album.fold_name`) of planned outputs and of those that stay.

        ``written``: SHA-256, by path below ``out``, of files from an earlier run that may be written anew.
        """
        self.out, self._taken, self._written = out, set(taken), written or {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: the names as they are now. Places are planned apart, so that none is taken twice."""
        return type(self), (self.out, frozenset(self._taken), self._written)

    def settle(self, item: Item, suffix: str, data: bytes) -> Path:
        """Choose where below ``out`` the encoded ``data`` of ``item`` is written.

        This is its planned place with ``suffix``, shortened to what a file system allows. It gets a number where
        another output has that name, or where somebody has put a file there since. A file that holds ``data`` already
        is not foreign: a run that was killed before it noted its output has left it.
        """
        planned = fold_name(item.output)
        with self._lock:
            place = next(
                place
                for place in number_names(item.output.with_suffix(suffix))
                if (fold_name(place) == planned or fold_name(place) not in self._taken)
                and not self._is_foreign(place, data)
            )
            self._taken.add(fold_name(place))
        return place

    def _is_foreign(self, place: Path, data: bytes) -> bool:
        path = self.out / place
        if not os.path.lexists(path):
            return False
        if path.is_symlink() or not path.is_file():
            return True
        there = path.read_bytes()
        return there != data and sha256(there) != self._written.get(str(place))
