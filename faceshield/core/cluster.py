"""Work on many machines by Ray, as it is: batches of tasks, workers that load their models once, results in order.

What goes to a worker is pickled by Ray, and comes from this process; photos and results are files that every machine
sees under the same path. A batch whose machine is lost is done again elsewhere.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any

from faceshield.core.errors import UsageError
from faceshield.core.processes import Answer, Task, use_one_core

BATCH = 16  # tasks: seconds of work, so that little is lost with a machine and Ray's own milliseconds do not count
_RETRIES = 3  # of a batch whose worker died


class Cluster:
    """A Ray cluster: joined where there is one, else started on this machine for as long as the block lasts.

    Ray's dashboard and its usage reports are switched off; it connects to the cluster's own machines only.
    """

    def __init__(self, address: str | None = None) -> None:
        """``address`` of the head ("auto": the cluster of this machine); None for RAY_ADDRESS or a new cluster.

        Raises UsageError where Ray is not installed.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
        try:
            import ray
        except ImportError:
            raise UsageError("engine 'ray' needs Ray: pip install 'faceshield[cluster]'") from None
        self._ray: Any = ray
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._ours = False

    def __enter__(self) -> Cluster:
        """Raises UsageError where there is no cluster at the address."""
        if self._ray.is_initialized():
            return self
        new = {} if self._address else {"include_dashboard": False}
        try:
            self._ray.init(address=self._address, log_to_driver=False, logging_level="error", **new)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"no Ray cluster at {self._address or 'this machine'} ({reason}); start one") from None
        self._ours = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            self._ray.shutdown()

    def map(
        self,
        make_worker: Callable[[], Callable[[Task], Answer]],
        tasks: Sequence[Task],
        crashed: Callable[[Task], Answer],
        batch: int = BATCH,
    ) -> Iterator[Answer]:
        """See :class:`core.processes.Workers`."""
        ray = self._ray
        run = ray.remote(num_cpus=1, max_retries=_RETRIES)(_run_batch)
        job, maker = uuid.uuid4().hex, ray.put(make_worker)
        batches = [tasks[start : start + batch] for start in range(0, len(tasks), batch)]
        waiting = iter(batches)
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = [(part, run.remote(job, maker, part)) for part in islice(waiting, ahead)]
        try:
            while running:
                part, promised = running.pop(0)
                try:
                    yield from ray.get(promised)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.WorkerCrashedError:
                    yield from self._map_singly(run, job, maker, part, crashed)
                running += [(part, run.remote(job, maker, part)) for part in islice(waiting, 1)]
        finally:
            for _, promised in running:
                ray.cancel(promised)

    def _map_singly(
        self, run: Any, job: str, maker: Any, tasks: Sequence[Task], crashed: Callable[[Task], Answer]
    ) -> Iterator[Answer]:
        for task in tasks:
            try:
                yield from self._ray.get(run.remote(job, maker, [task]))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except self._ray.exceptions.WorkerCrashedError:
                yield crashed(task)


_own: dict[str, Callable[[Any], Any]] = {}  # this process's worker, by job


def _run_batch(job: str, make_worker: Callable[[], Callable[[Any], Any]], tasks: Sequence[Any]) -> list[Any]:
    """In a process of Ray's."""
    if job not in _own:
        use_one_core()
        _own.clear()
        _own[job] = make_worker()
    return [_own[job](task) for task in tasks]
