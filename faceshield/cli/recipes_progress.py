"""One bar over a recipe's cells, with the time left as the finished cells predict it, below the cells' lines."""

from __future__ import annotations

from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from faceshield.reports.results import format_duration


class CellBar:
    """A bar on a terminal; plain lines elsewhere, since bars would fill a log. ``silent`` prints nothing."""

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent
        self._console = Console(stderr=True, highlight=False, quiet=silent)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> CellBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """A cell's line, above the bar."""
        if self._silent:
            return
        if self._console.is_terminal:
            self._console.print(line, markup=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    def on_cell(self, done: int, total: int, seconds: float | None) -> None:
        """``done`` of ``total`` cells are finished; the rest takes about ``seconds`` (None where that is unknown)."""
        left = "" if seconds is None else f"about {format_duration(seconds)} left"
        self._progress.update(self._task, completed=done, total=total, description=left, visible=True)
        if left and 0 < done < total and not self._console.is_terminal and not self._silent:
            click.echo(f"{done} of {total} cells are done, {left}", err=True)
