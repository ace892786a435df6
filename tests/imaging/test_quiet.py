"""Warnings are off inside, and as they were after the last thread has left, whatever the order."""

from __future__ import annotations

import threading
import warnings

import pytest

from faceshield.imaging.quiet import silence


def test_nothing_is_heard_inside_and_everything_after() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with silence(), silence():
            warnings.warn("not heard", UserWarning, stacklevel=1)
        assert list(warnings.filters) == before
        with pytest.raises(UserWarning):
            warnings.warn("heard", UserWarning, stacklevel=1)


def test_filters_come_back_after_an_error() -> None:
    before = list(warnings.filters)
    with pytest.raises(KeyError), silence():
        raise KeyError
    assert list(warnings.filters) == before


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    """First in, first out: with ``catch_warnings`` in each thread the second would put back the first one's silence."""
    before = list(warnings.filters)
    one_in, two_in, one_out = threading.Event(), threading.Event(), threading.Event()
    failures: list[Warning] = []

    def one() -> None:
        with silence():
            one_in.set()
            two_in.wait(10)
        one_out.set()

    def two() -> None:
        one_in.wait(10)
        with silence():
            two_in.set()
            one_out.wait(10)
            try:
                warnings.warn("not heard", UserWarning, stacklevel=1)
            except UserWarning as warning:
                failures.append(warning)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=job) for job in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not failures
        with pytest.raises(UserWarning):
            warnings.warn("heard", UserWarning, stacklevel=1)
    assert list(warnings.filters) == before
