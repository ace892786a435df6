"""Whether a picture file ends the process that decodes it: tried in a process of its own, which may die of it.

Decoders are C code, and a fault in one cannot be caught. To decode each photo in another process would cost every
album for the sake of a file that hardly anybody meets; so only a file under suspicion is tried here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from faceshield.core.errors import FaceshieldError
from faceshield.imaging.animation import open_animation
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode, encode

_CRASHED = 0xC0000000  # Windows: the lowest exit code that stands for a fault
_TRY = "import sys; from pathlib import Path; from faceshield.imaging.trial import use; use(Path(sys.argv[1]))"


def survives(path: Path) -> bool:
    """False where a process that decodes and encodes ``path`` is ended by the system; it takes seconds."""
    # the folders that this process imports from, and not the one it was started in, which may be anybody's
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(path.resolve())],
        cwd=sys.prefix,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return 0 <= done.returncode < _CRASHED


def use(path: Path) -> None:
    """Decode ``path`` in every way in which a cloak does, and encode it; errors that are told in words do not count."""
    with contextlib.suppress(FaceshieldError):
        data = read(path)
        animation = open_animation(data, path)
        for _ in animation.frames() if animation is not None else ():
            pass
        photo = decode(data, path, first=True)
        encode(photo, photo.pixels)
