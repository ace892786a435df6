"""The process that looks at photos outlives a photo that kills it, and urgent tasks go first."""

from __future__ import annotations

import os
import time

import pytest
from app_samples import echo

from faceshield.app.engine import LATER, NOW, Engine
from faceshield.app.refusals import Refusal


@pytest.fixture
def engine():
    engine = Engine(echo)
    engine.start()
    yield engine
    engine.close()


def test_a_task_is_done_in_another_process(engine):
    answer = engine.ask("echo", value=5).result(60)
    assert answer["value"] == 5
    assert answer["process"] != os.getpid()


def test_a_death_is_that_tasks_alone(engine):
    before = engine.ask("echo").result(60)["process"]
    with pytest.raises(Refusal) as error:
        engine.ask("die").result(60)
    assert error.value.code == "crash"
    after = engine.ask("echo", value=1).result(60)
    assert after["value"] == 1
    assert after["process"] != before


def test_a_refusal_has_the_librarys_words(engine):
    with pytest.raises(Refusal) as error:
        engine.ask("refuse").result(60)
    assert error.value.to_json() == {"error": "said", "message": "no"}


def test_urgent_tasks_go_first_and_cancelled_ones_not_at_all():
    engine = Engine(echo)  # not started, so that all tasks wait
    done = []
    for name, priority in [("later", LATER), ("cancelled", LATER), ("now", NOW)]:
        future = engine.ask("echo", priority, value=name)
        future.add_done_callback(lambda future: None if future.cancelled() else done.append(future.result()["value"]))
        if name == "cancelled":
            future.cancel()
        last = future
    engine.start()
    last.result(60)
    engine.ask("echo", LATER).result(60)
    assert done == ["now", "later"]
    engine.close()


def test_closing_ends_the_process(engine):
    process = engine.ask("echo").result(60)["process"]
    engine.close()
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the process is still there")
