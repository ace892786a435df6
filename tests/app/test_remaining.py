"""The time left: a guess at first, then what the stages have taken."""

from __future__ import annotations

import pytest

from faceshield.app.remaining import STARTING, Remaining


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_before_the_first_step_all_is_guessed():
    clock = Clock()
    left = Remaining({"looking": 2, "cloaking": 10}, {"looking": 3, "cloaking": 2}, clock)
    assert left.seconds() == STARTING + 6 + 20
    clock.now += 1
    assert left.seconds() == STARTING - 1 + 6 + 20


def test_a_stage_is_judged_by_its_own_steps():
    clock = Clock()
    left = Remaining({"looking": 2, "cloaking": 10}, {"looking": 3, "cloaking": 2}, clock)
    left.note("looking", 2, 2)
    left.note("cloaking", 0, 10)
    clock.now += 8
    left.note("cloaking", 2, 10)
    assert left.seconds() == pytest.approx(8 * 4)
    left.note("cloaking", 10, 10)
    assert left.seconds() == 0


def test_what_a_resumed_job_had_done_before_is_no_speed():
    clock = Clock()
    left = Remaining({"cloaking": 10}, {}, clock)
    left.note("cloaking", 8, 10)
    clock.now += 5
    left.note("cloaking", 9, 10)
    assert left.seconds() == pytest.approx(5)


def test_a_stage_that_was_not_planned_does_no_harm():
    left = Remaining({"cloaking": 10}, {}, Clock())
    left.note("making noise", 0, 120)
    assert left.seconds() > 0
