"""SVHN's cropped digits (train_32x32.mat, test_32x32.mat)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples

_MOST = 1_000_000  # pictures: the "extra" part, the largest, has 531 131


def find_svhn_file(path: Path, split: str) -> Path | None:
    """The .mat of ``split`` where ``path`` is the folder with it or either file of the two; else None."""
    folder = path.parent if path.suffix.lower() == ".mat" else path
    file = folder / f"{split}_32x32.mat"
    return file if file.is_file() else None


def read_svhn(path: Path) -> Examples:
    """One .mat file of SVHN at 32×32: classes "0" to "9" (its label 10 is the digit 0), ids FILE/INDEX.

    Raises UsageError without scipy, and for a file that is damaged or holds no X (32, 32, 3, n) uint8 and y (n, 1).
    """
    try:
        from scipy.io import loadmat, whosmat
    except ImportError:
        raise UsageError(f"{path}: needs scipy to be read; install it with: pip install scipy") from None
    try:
        shapes = {name: (shape, kind) for name, shape, kind in whosmat(path)}  # before anything is unpacked
        shape, kind = shapes.get("X", ((), ""))
        if len(shape) != 4 or shape[:3] != (32, 32, 3) or kind != "uint8" or not 0 < shape[3] <= _MOST:
            raise UsageError(f"{path}: its X is {shape or 'absent'} {kind}, SVHN's is (32, 32, 3, n) uint8")
        if shapes.get("y", ((), ""))[0] not in ((shape[3], 1), (1, shape[3])):
            raise UsageError(f"{path}: its y does not give one label a picture; fetch it again")
        arrays = loadmat(path, variable_names=["X", "y"])
        images = torch.from_numpy(np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1)))
        labels = torch.from_numpy(arrays["y"].reshape(-1).astype(np.int64))
    except UsageError:
        raise
    except Exception as error:  # scipy's reader raises anything at all when fed hostile bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{path}: cannot be read as a .mat file ({reason}); fetch it again") from None
    if not 0 <= int(labels.min()) <= int(labels.max()) <= 10:
        raise UsageError(f"{path}: its labels run from {int(labels.min())} to {int(labels.max())}, SVHN's from 1 to 10")
    ids = tuple(f"{path.stem}/{i:06d}" for i in range(len(labels)))
    return Examples(images, labels % 10, ids, tuple("0123456789"))
