"""What a cell is given, and what an experiment is: the function that runs a cell, its settings and its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.core.results import Key
from faceshield.core.schema import validate
from faceshield.experiments.engine.settings import MADE_HERE, K, S, check_settings
from faceshield.training.runtime import Runtime

Say = Callable[[str], None]
OnEpoch = Callable[[int, float], None]
"""``on_epoch(epoch, loss)`` of ``training.loop.train``."""


@dataclass(frozen=True)
class Context:
    """What a cell may use: where data lies, a folder of its own recipe's for caches, the hardware, and a voice.

    ``shared`` is a folder for what several recipes can use; ``work`` where there is none. ``instead`` maps a data set's
    name to that of another one that is read in its place; the result file says so.
    """

    data: Path
    work: Path
    runtime: Runtime
    say: Say
    shared: Path | None = None
    instead: Mapping[str, str] = field(default_factory=dict)

    def locate(self, name: str) -> Path:
        """Where a data set lies, or would lie."""
        return self.data / self.instead.get(name, name)

    def source(self, name: str) -> Path:
        """A data folder. Raises UsageError where it is absent."""
        path = self.locate(name)
        if not path.exists():
            raise UsageError(f"{path}: is not there; give the folder that holds {path.name!r} by --data")
        return path

    def content(self, name: str) -> str:
        """A text that changes with the files of the data set ``name``.

        It is the name itself where the data set needs no file or is absent, so that a run can be planned without it.
        """
        path = self.locate(name)
        return fingerprint(path) if name not in MADE_HERE and path.exists() else name

    def epochs(self, last: int) -> OnEpoch:
        """A training's ``on_epoch`` that says a line every tenth epoch and after the ``last`` one."""

        def report(epoch: int, loss: float) -> None:
            if epoch % 10 == 9 or epoch + 1 == last:
                self.say(f"  epoch {epoch + 1} of {last}: loss {loss:.3f}")

        return report

    def cache_path(self, name: str) -> Path:
        """The path of a cached file: in this recipe's folder if it is there already, else in ``shared``.

        Its name must contain all that decides its content, usually as a digest.
        """
        recipe_copy = self.work / name
        return recipe_copy if self.shared is None or recipe_copy.is_file() else self.shared / name


@dataclass(frozen=True)
class Experiment(Generic[S, K]):
    """``cell(key, seed, settings, context)`` returns a cell's metrics; ``settings`` and ``key`` declare its arguments.

    ``inputs`` returns a text that changes with the data a cell reads, such as ``Context.content`` of each source; a
    cell is then run again when its data changed. Give it to new experiments only: it changes the names of their caches.
    """

    cell: Callable[[K, int, S, Context], dict[str, Any]]
    settings: type[S]
    key: type[K]
    inputs: Callable[[K, S, Context], str] | None = None

    def run(self, key: Key, seed: int, settings: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """The metrics of one cell, from a recipe's own words. Raises UsageError for words that are not declared."""
        known, checked = self._check(key, settings)
        return self.cell(known, seed, checked, context)

    def fingerprint(self, key: Key, settings: Mapping[str, Any], context: Context) -> str:
        """The text that ``inputs`` gives for a cell; "" for an experiment without ``inputs``."""
        return "" if self.inputs is None else self.inputs(*self._check(key, settings), context)

    def sources(self, key: Key, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of what a cell reads below ``--data``."""
        known, checked = self._check(key, settings)
        return checked.sources(known)

    def _check(self, key: Key, settings: Mapping[str, Any]) -> tuple[K, S]:
        return validate(self.key, key, "key"), check_settings(self.settings, settings, "settings")
