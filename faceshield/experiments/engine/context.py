"""What a cell may use: where data lies, folders for caches, the hardware, and a voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.training.runtime import Runtime

MADE_HERE = ("fabricated", "digits")  # data sets that need no file


@dataclass(frozen=True)
class Context:
    """What a cell may use.

    Attributes:
        data: the folder of the data sets.
        work: a folder of the recipe's own for caches.
        shared: a folder for what several recipes can use; ``work`` where there is none.
        instead: a data set's name to that of another one that is read in its place; the result file says so.
    """

    data: Path
    work: Path
    runtime: Runtime
    say: Callable[[str], None]
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

    def epochs(self, last: int) -> Callable[[int, float], None]:
        """An ``on_epoch`` of ``training.loop.train`` that says a line every tenth epoch and after the ``last`` one."""

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
