"""How much memory some work takes, as the operating system counts it, and what can be given back to it."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PROCESS = Path("/proc/self")


def measure_peak(work: Callable[[], T]) -> tuple[T, float | None]:
    """What ``work()`` returns, and the most MB (10⁶ bytes) that this process held meanwhile, libraries and data too.

    None where the system keeps no such figure or does not let it start anew, as outside Linux.
    """
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # sets the mark back to what is held now
    except OSError:
        return work(), None
    done = work()
    found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text(encoding="utf-8"))
    return done, None if found is None else int(found[1]) * 1024 / 1e6


def give_back() -> None:
    """Let the C library return what is free in its heaps, some 60 MB after a face detection; glibc alone can."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
