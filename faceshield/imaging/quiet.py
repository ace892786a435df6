"""Silence decoders' warnings while several threads decode at once."""

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
    """In this block no warning is shown or raised.

    Warning filters belong to the whole process. If each thread restored the filters that it found, the last one to
    leave could switch warnings off for good. So the first thread to enter sets them, the last to leave restores them.
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
