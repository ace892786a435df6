"""How long a job will still take: what each stage has taken so far, and a guess for those that have not begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

STARTING = 4.0  # seconds until a new process has loaded the networks
# seconds for one step of a stage on two cores, until it has been measured
GUESSES = {"looking": 0.5, "making noise": 0.4, "cloaking": 1.0}
MASK = 25.0  # the same for cloaking with a mask for each photo


class Remaining:
    """``planned`` are the stages in order with their numbers of steps; ``guesses`` seconds for a step of each."""

    def __init__(
        self,
        planned: Mapping[str, int],
        guesses: Mapping[str, float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.planned, self.guesses, self.now = dict(planned), {**GUESSES, **guesses}, now
        self.begun = now()
        self.stage: str | None = None
        self.first, self.done, self.since = 0, 0, self.begun

    def note(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of ``stage`` are finished."""
        if stage != self.stage:
            self.stage, self.first, self.since = stage, done, self.now()
        self.done, self.planned[stage] = done, total

    def seconds(self) -> float:
        """Seconds that are left, never below 0."""
        if self.stage is None:
            waiting = max(0.0, STARTING - (self.now() - self.begun))
            return waiting + sum(count * self._guess(stage) for stage, count in self.planned.items())
        steps, elapsed = self.done - self.first, self.now() - self.since
        each = elapsed / steps if steps else self._guess(self.stage)
        # what has passed since the last step is a part of the next one
        here = max(0.0, (self.planned[self.stage] - self.done) * each - (0 if steps else elapsed))
        stages = list(self.planned)
        later = stages[stages.index(self.stage) + 1 :]
        return here + sum(self.planned[stage] * self._guess(stage) for stage in later)

    def _guess(self, stage: str) -> float:
        return self.guesses.get(stage, 1.0)
