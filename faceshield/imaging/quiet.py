"""Decoders' warnings kept from the user, while several threads decode at once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_inside = 0
_filters = warnings.catch_warnings()


@contextmanager
def silence() -> Iterator[None]:
    """No warning is shown or raised inside.

    The filters belong to the whole process: were each thread to put back those it found, the last one out could leave
    warnings off for good. So the first thread in changes them and the last one out puts them back.
    """
    global _inside, _filters
    with _lock:
        if _inside == 0:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _filters.__exit__(None, None, None)
