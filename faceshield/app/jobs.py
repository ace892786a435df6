"""The job that runs: its process, where it stands, and what happens when it is cancelled or dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Literal

from faceshield.app.engine import SPAWN
from faceshield.app.hands import work
from faceshield.app.remaining import Remaining

Ending = Literal["done", "said", "bug", "crash", "cancelled"]
Target = Callable[[Connection, str, Mapping[str, Any]], None]


@dataclass
class Job:
    """One run of a task of ``hands.TASKS``.

    Attributes:
        kind: "cloak" or "check".
        photos: ids of the photos that it is about.
        open: ids of those that it has not finished.
        state: "running", or how it ended.
        stage, done, total: where it stands; "" before the process is ready.
        message: why it did not end well.
        result: what the task gave.
    """

    kind: str
    photos: list[str]
    remaining: Remaining
    state: str = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    result: dict[str, Any] | None = None
    open: list[str] = field(default_factory=list)
    cancelled: bool = False
    process: Any = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        names = ("kind", "photos", "open", "state", "stage", "done", "total", "message", "result")
        return {**{name: getattr(self, name) for name in names}, "left": round(self.remaining.seconds(), 1)}

    def cancel(self) -> None:
        """Kill the process: outputs appear whole or not at all, so that nothing is left half done."""
        self.cancelled = True
        if self.process is not None and self.process.is_alive():
            self.process.kill()

    def run_process(
        self,
        task: str,
        arguments: Mapping[str, Any],
        on_message: Callable[[tuple[Any, ...]], None],
        target: Target = work,
    ) -> Ending:
        """Run ``task`` in a new process and wait for its end; ``on_message`` gets what it sends.

        "stage", "result", "said" and "bug" are noted here as well.
        """
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=target, args=(theirs, task, arguments), name=f"faceshield-{task}", daemon=True)
        process.start()
        self.process = process
        theirs.close()
        if self.cancelled:
            process.kill()
        ending: Ending = "crash"
        try:
            while True:
                message = ours.recv()
                if message[0] == "stage":
                    self.stage, self.done, self.total = message[1:]
                    self.remaining.note(*message[1:])
                elif message[0] == "result":
                    self.result, ending = message[1], "done"
                elif message[0] in ("said", "bug"):
                    self.message, ending = message[1], message[0]
                on_message(message)
        except (EOFError, OSError):  # it has ended, this way or that
            pass
        ours.close()
        process.join()
        return "cancelled" if self.cancelled and ending != "done" else ending


def start(run: Callable[[], None]) -> Thread:
    """Run a job's loop beside the server."""
    thread = Thread(target=run, name="job", daemon=True)
    thread.start()
    return thread
