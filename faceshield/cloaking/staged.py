"""An album in a store: photos are copied to a private folder, cloaked there, and the outputs copied back.

The folder mirrors the store, so that a run in it is an ordinary one, whose report and journal need only have addresses
in place of paths. The store gets outputs before the journal that names them, and the report last: ``resume`` finds
there, from any machine, whatever a run that ended early has finished.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from faceshield.cloaking.journal import JOURNAL
from faceshield.cloaking.mirror import Mirror, open_mirror
from faceshield.cloaking.open_photos import OPEN
from faceshield.cloaking.options import Options
from faceshield.cloaking.report import CloakReport
from faceshield.cloaking.run import cloak
from faceshield.core.address import Address, is_plain
from faceshield.core.errors import FaceshieldError, StoreError, UsageError
from faceshield.core.processes import Processes, Workers
from faceshield.core.remote import Store, do_at_once
from faceshield.core.store import CLOAKED, write_bytes
from faceshield.core.types import Progress
from faceshield.core.user_folder import user_folder
from faceshield.imaging.formats import PICTURES

EVERY = 60.0
"""Seconds after which finished photos are brought to the store: what a killed run loses at most, uploads apart."""

_ACCOUNTS = (CLOAKED, JOURNAL, OPEN)


def cloak_staged(
    photos: Sequence[Path | Address],
    out: Path | Address,
    options: Options,
    *,
    work: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    cluster: Workers | None = None,
) -> CloakReport:
    """As :func:`cloaking.run.cloak`, with ``photos`` or ``out`` or both in a store.

    ``work``: the folder for the copies, which all machines of ``cluster`` see; None for one in the user's data folder.
    The stages "fetching" and "storing" are added. Raises UsageError as well for an ``out`` that is, holds or lies in
    any of ``photos``, for a file's name that is no plain one, and where the copies do not fit; StoreError where the
    store refuses.
    """
    if not isinstance(out, Address):
        raise UsageError(f"{out}: photos at an address come out at one; give -o an address, or copy them here before")
    _refuse_addresses(photos, out)
    if cluster is not None and not isinstance(cluster, Processes) and work is None:
        raise UsageError("engine 'ray' needs a folder for copies that all machines see; name it by --work")
    say = progress or (lambda stage, done, total: None)
    store = Store(out.scheme)
    with open_mirror(work or user_folder() / "copies", out) as mirror:
        try:
            stage = Stage(store, mirror, out)
            stage.fetch(photos, options.resume, say)
            places = [mirror.place(each) if isinstance(each, Address) else each for each in photos]
            try:
                report = cloak(
                    places, mirror.place(out), options, device=device, progress=stage.watch(say), cluster=cluster
                )
            finally:
                stage.put(say)
        except FaceshieldError as error:
            raise type(error)(mirror.name(str(error))) from error.__cause__
        return _name_copies(report, mirror)


class Stage:
    """The way of the files of a run between the ``store`` and the ``mirror``."""

    def __init__(self, store: Store, mirror: Mirror, out: Address) -> None:
        self._store, self._mirror, self._out = store, mirror, out
        self._stored: dict[str, tuple[int, ...]] = {}  # the state of the copy of each file of ``out``, by its name

    def fetch(self, photos: Sequence[Path | Address], resume: bool, say: Progress) -> None:
        """Copy ``photos`` and what ``out`` holds. Raises UsageError where that is an earlier run and not ``resume``."""
        place = self._mirror.place(self._out)
        opened = _read(place / OPEN)  # of a run that died on this machine before it could tell the store
        self._mirror.empty()
        there = self._store.list_files(self._out)
        if "" in there:
            raise UsageError(f"{self._out}: is a file; the output must be a folder")
        if not resume and not {CLOAKED, JOURNAL}.isdisjoint(there):
            raise UsageError(f"{self._out}: already holds an earlier run; use --resume to go on with it")
        files = {self._out / name: size for name, size in _choose(self._out, there).items()}
        files |= {self._out / name: there[name] for name in _ACCOUNTS if name in there}
        for given in photos:
            if isinstance(given, Address):
                files |= self._look(given)
        self._try_to_write()
        self._refuse_too_many(files)
        say("fetching", 0, len(files))
        for done, _ in enumerate(do_at_once(lambda file: self._fetch(file, files[file]), files), 1):
            say("fetching", done, len(files))
        for name in _ACCOUNTS:
            text = _read(place / name)
            if text:
                _write(place / name, self._mirror.localise_json(text))
        self._stored = self._list_outputs()
        if opened:
            _write(place / OPEN, f"{_read(place / OPEN)}\n{opened}")

    def put(self, say: Progress) -> None:
        """Bring what is new to the store: outputs, then the accounts that name them.

        Raises StoreError where somebody else has put a file in the place of an output since; the others are stored.
        """
        found = self._list_outputs()
        new = [name for name, state in found.items() if self._stored.get(name) != state]
        outputs = [name for name in new if name not in _ACCOUNTS]
        taken: list[str] = []

        def put_output(name: str) -> None:
            if name not in self._stored and self._store.exists(self._out / name):
                taken.append(name)
            else:
                self._store.put(self._mirror.place(self._out / name), self._out / name)

        for done, name in enumerate(do_at_once(put_output, outputs), 1):
            say("storing", done, len(outputs))
            if name not in taken:
                self._stored[name] = found[name]
        for name in _ACCOUNTS:
            if name in new:
                named = self._mirror.folder / "account" / name
                _write(named, self._mirror.name_in_json(_read(self._mirror.place(self._out / name))))
                self._store.put(named, self._out / name)
                self._stored[name] = found[name]
            elif name in self._stored and name not in found:
                self._store.remove(self._out / name)
                del self._stored[name]
        if taken:
            raise StoreError(f"{self._out / taken[0]}: was put there while this run worked; --resume goes on beside it")

    def watch(self, say: Progress) -> Progress:
        """``say``, which also brings what is finished to the store from time to time."""
        last = time.monotonic()

        def report(stage: str, done: int, total: int) -> None:
            nonlocal last
            say(stage, done, total)
            if stage == "cloaking" and time.monotonic() - last >= EVERY:
                self.put(say)
                last = time.monotonic()

        return report

    def _look(self, given: Address) -> dict[Address, int]:
        """The photos of ``given`` with their sizes; its other files, which are only counted, get an empty copy."""
        there = self._store.list_files(given)
        if not there:
            raise UsageError(f"{given}: no such file or folder")
        chosen = there if "" in there else _choose(given, there)
        for name in there.keys() - chosen.keys():
            if is_plain(name):
                with contextlib.suppress(OSError):  # a name that is too long here
                    path = self._mirror.place(given / name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
        return {given / name: size for name, size in chosen.items()}

    def _try_to_write(self) -> None:
        """Raise StoreError now where the store would refuse the outputs after an hour."""
        probe, address = self._mirror.folder / "account/probe", self._out / "faceshield.probe"
        _write(probe, "faceshield looks whether it may write here\n")
        self._store.put(probe, address)
        self._store.remove(address)

    def _refuse_too_many(self, files: Mapping[Address, int]) -> None:
        """Raise UsageError where the copies and as much again for outputs do not fit."""
        needed, free = 2 * sum(files.values()), shutil.disk_usage(self._mirror.folder).free
        if needed > free:
            raise UsageError(
                f"{self._mirror.folder}: has {free / 1e9:.1f} GB free, the copies need {needed / 1e9:.1f} GB; choose"
                " another folder by --work, or fewer photos"
            )

    def _fetch(self, address: Address, size: int) -> None:
        self._store.fetch(address, self._mirror.place(address), size)

    def _list_outputs(self) -> dict[str, tuple[int, ...]]:
        """What tells a file from one that was written in its place later, by name below ``out``."""
        place = self._mirror.place(self._out)
        states: dict[str, tuple[int, ...]] = {}
        for path in place.rglob("*"):
            name = path.relative_to(place).as_posix()
            if path.is_file() and (name in _ACCOUNTS or path.suffix.lower() in PICTURES):
                status = path.stat()
                states[name] = (status.st_ino, status.st_mtime_ns, status.st_size)
        return states


def _refuse_addresses(photos: Sequence[Path | Address], out: Address) -> None:
    for given in photos:
        if not isinstance(given, Address):
            continue
        if given.scheme != out.scheme:
            raise UsageError(f"{given}: lies in another kind of store than {out}; use one for both")
        if given.contains(out) or out.contains(given):
            raise UsageError(f"{out}: and {given}, which is read, lie in each other; choose a folder beside it")


def _choose(folder: Address, there: Mapping[str, int]) -> dict[str, int]:
    """The pictures in ``there``, names below ``folder``, but hidden ones. Raises UsageError where one is not plain."""
    named = [name for name in there if PurePosixPath(name).suffix.lower() in PICTURES]
    pictures = [name for name in named if not any(part.strip(".") and part[0] == "." for part in name.split("/"))]
    for name in pictures:
        if not is_plain(name):
            raise UsageError(f"{folder}: holds {name!a}, which is no plain name; rename it, or name the others singly")
    return {name: there[name] for name in pictures}


def _name_copies(report: CloakReport, mirror: Mirror) -> CloakReport:
    photos = (replace(each, source=mirror.name(each.source), reason=mirror.name(each.reason)) for each in report.photos)
    return replace(report, photos=tuple(photos), ignored=tuple(map(mirror.name, report.ignored)))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode(errors="surrogateescape"))
