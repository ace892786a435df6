"""Many picture files to one array of pixels, decoded in parallel: what every reader of files ends in."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.data.examples import refuse_size

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
LARGEST_FILE = 1 << 26  # bytes: a larger one is no training picture
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # Pillow's others may start programs (EPS) whatever the suffix says
_CHUNK = 64  # pictures a thread takes at a time


def decode_all(names: Sequence[str], read: Callable[[str], bytes], where: str, size: int | None = None) -> Tensor:
    """(n, 3, H, W) uint8 RGB: the pictures whose bytes ``read(name)`` gives, in the order of ``names``.

    ``size`` brings the middle square of each to ``size`` × ``size`` (bicubic, antialiased); without it all must be of
    one size. Grey becomes RGB, transparency is dropped, EXIF orientation is not applied. ``read`` must allow threads.
    Raises UsageError, which begins with ``where``/name, for the first picture that cannot be decoded, is cut off, has
    16-bit pixels, more pixels than Pillow's MAX_IMAGE_PIXELS, or another size than the first one.
    """
    if size is not None:
        refuse_size(size)

    def decode(name: str) -> NDArray[np.uint8]:
        data = read(name)
        try:
            return _pixels(data, size)
        except UnidentifiedImageError:  # its own message holds a memory address
            reason = f"it is no {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
        except UsageError as error:
            reason = str(error)
        except Exception as error:  # decoders raise anything at all when fed hostile bytes
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{where}/{name}: cannot be read as a picture ({reason}); take it out")

    def fill(start: int) -> None:
        for i, name in enumerate(names[start : start + _CHUNK], start):
            pixels = decode(name)
            if pixels.shape != first.shape:
                height, width = pixels.shape[:2]
                raise UsageError(f"{where}/{name}: is {width}×{height}, others differ; pass a size to bring all to one")
            images[i] = pixels.transpose(2, 0, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of what is refused or repaired here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        first = decode(names[0])
        try:
            images = np.empty((len(names), 3, *first.shape[:2]), np.uint8)
        except MemoryError:
            raise UsageError(
                f"{where}: its {len(names)} pictures do not fit in memory; pass a size or a limit"
            ) from None
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # Pillow decodes outside the GIL
            for _ in pool.map(fill, range(0, len(names), _CHUNK)):
                pass
    return torch.from_numpy(images)


def _pixels(data: bytes, size: int | None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8; raises whatever the decoder does."""
    with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
        if file.mode[0] in "IF":  # Pillow would clip them to white
            raise UsageError("it has more than 8 bits a colour")
        image = file.convert("RGB")
    if size is not None and image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image)
