"""Read a picture file's bytes, and turn what decoders raise into one-line errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from faceshield.core.errors import PhotoError
from faceshield.imaging.quiet import silence

MAX_PIXELS = 200_000_000


def read(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """The file's bytes, no more than a picture of ``max_pixels`` can need. Raises PhotoError in one line."""
    limit = 8 * max_pixels + (64 << 20)  # 16 bits and four channels, uncompressed
    try:
        if path.is_dir():
            raise PhotoError(f"{path}: is a folder; name the pictures in it")
        if path.exists() and not path.is_file():
            raise PhotoError(f"{path}: is not a regular file; name a picture")
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            data = file.read(limit + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path}: cannot be read ({reason}); check its name and permissions") from error
    if not data:
        raise PhotoError(f"{path}: is empty; copy it again from its source")
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise PhotoError(f"{path}: was written to while it was read; try again once it is whole")
    if len(data) > limit:
        raise PhotoError(f"{path}: is larger than {limit / 1e6:.0f} MB; make it smaller")
    return data


@contextmanager
def refuse_undecodable(path: Path) -> Iterator[None]:
    """In this block decoders' warnings are silenced; what they raise becomes a one-line PhotoError with ``path``."""
    try:
        with silence():  # decoders warn of what is refused or repaired here
            yield
    except PhotoError as error:
        raise PhotoError(f"{path}: {error}") from None
    except (MemoryError, Image.DecompressionBombError):
        raise PhotoError(f"{path}: has too many pixels to be decoded here; make it smaller") from None
    except Exception as error:  # decoders raise anything at all when fed hostile bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PhotoError(
            f"{path}: cannot be decoded ({reason}); it is damaged, cut off or of a rare kind: "
            "copy it again from its source, or save it as PNG"
        ) from error
