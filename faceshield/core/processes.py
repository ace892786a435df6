"""Work in several processes of this machine: workers that load their models once, results in order.

A task that ends its process (a codec that crashes on a hostile file) is that task's failure: the processes are
started anew, and the others' work goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing.connection import wait
from typing import Any, Protocol, TypeVar

from faceshield.core.errors import UsageError

Task = TypeVar("Task")
Answer = TypeVar("Answer")

BATCH = 4  # tasks that a process takes at a time
_AHEAD = 2  # batches that wait for each process


class Workers(Protocol):
    """What does tasks elsewhere: processes of this machine, or a cluster's."""

    def map(
        self,
        make_worker: Callable[[], Callable[[Task], Answer]],
        tasks: Sequence[Task],
        crashed: Callable[[Task], Answer],
    ) -> Iterator[Answer]:
        """What a worker says of each task, in their order.

        ``make_worker()`` is called once in each process, which has one core. ``crashed(task)`` answers for a task that
        ends every process it is given to. What a worker raises is raised here.
        """


class Processes:
    """:class:`Workers` on this machine, each with one core and a memory of its own.

    They are started afresh, since one that is forked while torch computes may wait for ever. So a script that uses them
    needs the usual ``if __name__ == "__main__":``.
    """

    def __init__(self, count: int) -> None:
        """``count`` processes, which end with each ``map``. Raises UsageError for less than 1."""
        if count < 1:
            raise UsageError(f"{count} processes cannot do anything; use 1 or more")
        self._count = count

    def map(
        self,
        make_worker: Callable[[], Callable[[Task], Answer]],
        tasks: Sequence[Task],
        crashed: Callable[[Task], Answer],
        batch: int = BATCH,
    ) -> Iterator[Answer]:
        """See :class:`Workers`; all that goes there and back is pickled."""
        batches = [tasks[start : start + batch] for start in range(0, len(tasks), batch)]
        pool = self._start(make_worker, len(batches))
        done = 0
        try:
            while done < len(batches):
                try:
                    for answers in answer_in_order(partial(_submit, pool), batches[done:], _AHEAD * self._count):
                        done += 1
                        yield from answers
                except BrokenProcessPool:
                    pool.shutdown(cancel_futures=True)
                    for task in batches[done]:  # one of them may have done it, or one of another batch
                        yield self._do_alone(make_worker, task, crashed)
                    done += 1
                    pool = self._start(make_worker, len(batches) - done)
        finally:
            pool.shutdown(cancel_futures=True)

    def _start(self, make_worker: Callable[[], Callable[[Any], Any]], most: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(max(1, min(self._count, most)), context, _begin, (make_worker,))

    def _do_alone(
        self, make_worker: Callable[[], Callable[[Task], Answer]], task: Task, crashed: Callable[[Task], Answer]
    ) -> Answer:
        with self._start(make_worker, 1) as pool:
            try:
                answers: list[Answer] = _submit(pool, [task]).result()
                return answers[0]
            except BrokenProcessPool:
                return crashed(task)


def answer_in_order(submit: Callable[[Task], Future[Answer]], tasks: Sequence[Task], ahead: int) -> Iterator[Answer]:
    """The answers to ``tasks`` in their order, of which at most ``ahead`` are handed to ``submit`` and not answered."""
    waiting = iter(tasks)
    running = [submit(task) for task in islice(waiting, ahead)]
    try:
        while running:
            yield running.pop(0).result()
            running += [submit(task) for task in islice(waiting, 1)]
    finally:
        for future in running:
            future.cancel()


def use_one_core() -> None:
    """Let every library of this process compute in one thread.

    Several processes of which each computes on all cores wait for each other most of the time.
    """
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threadpool_limits(1)


def _submit(pool: ProcessPoolExecutor, tasks: Sequence[Any]) -> Future[list[Any]]:
    """Hand ``tasks`` over. A process that is started by this never hears Ctrl-C, whose answer is this process's own.

    A signal's mask goes to a process with its start; to ignore the signal there would leave out the seconds of imports.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return pool.submit(_run, tasks)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_run, tasks)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_own: dict[str, Callable[..., Any]] = {}  # in a process of ours: what makes its worker, and the worker once it is made


def _begin(make_worker: Callable[[], Callable[[Any], Any]]) -> None:
    """In a new process, which ends with its parent, however that dies."""
    use_one_core()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _own["make"] = make_worker


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _run(tasks: Sequence[Any]) -> list[Any]:
    if "worker" not in _own:  # here, so that what making it raises reaches the caller
        _own["worker"] = _own["make"]()
    return [_own["worker"](task) for task in tasks]
