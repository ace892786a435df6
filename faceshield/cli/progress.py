"""Progress bars with the estimated time left, on the error stream so that output can be piped."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


class Bars:
    """A bar for each stage, from its first call on; none if ``silent`` or where the error stream is not a terminal.

    ``of_bytes`` writes counts as sizes.
    """

    def __init__(self, silent: bool = False, *, of_bytes: bool = False) -> None:
        count = DownloadColumn() if of_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description:<13}"), BarColumn(), count, TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, transient=False, disable=silent or not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show ``done`` of ``total``; without a total the bar only shows activity."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)
