"""The process that looks at photos: one task at a time, urgent ones first; if a photo kills it, another starts."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from queue import PriorityQueue
from threading import Thread
from typing import Any

from faceshield.app.refusals import Refusal

NOW, LATER = 0, 1  # priorities: a person waits; an album is looked at
LONGEST = 900.0  # seconds; a task that takes longer hangs, whatever else the machine is doing

SPAWN = multiprocessing.get_context("spawn")  # torch does not survive a fork


@dataclass(order=True)
class _Task:
    priority: int
    number: int
    name: str = field(compare=False, default="")
    arguments: dict[str, Any] = field(compare=False, default_factory=dict)
    future: Future[dict[str, Any]] = field(compare=False, default_factory=Future)


def answer_tasks(connection: Connection) -> None:
    """What the process runs: answer (name, arguments) by ``eyes.TASKS`` until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when to end
    from faceshield.app.eyes import TASKS
    from faceshield.core.errors import FaceshieldError

    with contextlib.suppress(EOFError, OSError):
        while True:
            name, arguments = connection.recv()
            answer: dict[str, Any]
            try:
                answer = {"ok": TASKS[name](**arguments)}
            except FaceshieldError as error:
                answer = {"said": str(error)}
            except Exception as error:  # one photo's fault must not be the next one's
                answer = {"said": f"unexpected {type(error).__name__}: {error}"}
            connection.send(answer)


class Engine:
    """Runs ``eyes.TASKS`` in a process of its own.

    ``target`` is what the process runs; tests give another.
    """

    def __init__(self, target: Callable[[Connection], None] = answer_tasks) -> None:
        self.target = target
        self._tasks: PriorityQueue[_Task] = PriorityQueue()
        self._numbers = itertools.count()
        self._thread = Thread(target=self._work, name="engine", daemon=True)
        self._closing = False

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def ask(self, name: str, priority: int = NOW, **arguments: Any) -> Future[dict[str, Any]]:
        """Do the task ``name`` when its turn comes; cancelling it before that skips it.

        The future raises Refusal: "said" with the library's own sentence, or "crash".
        """
        task = _Task(priority, next(self._numbers), name, arguments)
        self._tasks.put(task)
        return task.future

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._closing = True
        self._tasks.put(_Task(-1, 0))
        process = getattr(self, "_process", None)
        if process is not None and process.is_alive():
            process.terminate()
        self._thread.join(10)

    def _start_process(self) -> None:
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=self.target, args=(theirs,), name="faceshield-eyes", daemon=True)
        self._process.start()
        theirs.close()

    def _work(self) -> None:
        self._start_process()
        while not self._closing:
            task = self._tasks.get()
            if self._closing or not task.future.set_running_or_notify_cancel():
                continue
            try:
                self._connection.send((task.name, task.arguments))
                if not self._connection.poll(LONGEST):
                    raise EOFError
                answer = self._connection.recv()
            except (EOFError, OSError):
                self._end_process()
                task.future.set_exception(Refusal("crash", 500))
                if not self._closing:
                    self._start_process()
            else:
                if "ok" in answer:
                    task.future.set_result(answer["ok"])
                else:
                    task.future.set_exception(Refusal("said", 422, message=answer["said"]))
        self._end_process()

    def _end_process(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
