"""Which photos are being worked on: after a crash it says which of them may have caused it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from faceshield.core.errors import PhotoError, StoreError
from faceshield.imaging.trial import survives

OPEN = "faceshield.open"
CRASH = "crashes the codec that reads it; leave it out, or save it anew with another tool"


class OpenPhotos:
    """The photos of the run into ``out`` that are open now, in a file beside its journal.

    Each line is JSON: the path of a photo, and whether it was opened (true) or closed. What a run leaves open that
    ended without a word, because a codec crashed or because it was killed, is under suspicion in the next one.
    """

    def __init__(self, out: Path) -> None:
        """Writes nothing yet."""
        self.path = out / OPEN
        self.suspects = _read_open(self.path)
        self._deadly = False
        self._lock = Lock()

    @contextmanager
    def hold(self, source: Path) -> Iterator[None]:
        """The photo ``source`` is open while the block runs.

        Raises PhotoError where it was open when an earlier run died and also ends a process of its own; StoreError
        where the disk is full.
        """
        if str(source) in self.suspects and not survives(source):
            self._deadly = True
            raise PhotoError(f"{source}: {CRASH}")
        self._note(source, True)
        try:
            yield
        finally:
            self._note(source, False)

    def close(self) -> None:
        """Delete the file at the end of a run, unless it names a photo that another run must not open."""
        if not self._deadly:
            self.path.unlink(missing_ok=True)

    def _note(self, source: Path, opened: bool) -> None:
        try:
            with self._lock, self.path.open("a", encoding="utf-8") as file:
                # ended first: a dead run may have left a line without its end
                file.write("\n" + json.dumps([str(source), opened]))
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}); --resume goes on") from error


def _read_open(path: Path) -> frozenset[str]:
    """The photos that were opened and not closed; lines that a crash or somebody else has damaged are passed over."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            source, opened = json.loads(line)
            (found.add if opened else found.discard)(str(source))
        except (ValueError, TypeError):
            continue
    return frozenset(found)
