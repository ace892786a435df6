"""One way in for any data set: what a path holds is found out from the path itself; and where to get the recipes'."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from faceshield.core.download import Checksum, OfficialFile
from faceshield.core.errors import UsageError
from faceshield.data.cifar import is_cifar, read_cifar
from faceshield.data.examples import HELD_OUT, Examples
from faceshield.data.pictures import SUFFIXES
from faceshield.data.svhn import find_svhn_file, read_svhn
from faceshield.data.tree import Tree, open_tree, read_tree

Split = Literal["train", "test"]
_FOLDERS = {"train": ("train",), "test": ("test", "val")}

_TORONTO, _SVHN, _LFW = (
    "https://www.cs.toronto.edu/~kriz",
    "http://ufldl.stanford.edu/housenumbers",
    "http://vis-www.cs.umass.edu/lfw",
)


def _file(site: str, name: str, md5: str, folder: str = "") -> OfficialFile:
    return OfficialFile(f"{site}/{name}", Checksum("md5", md5), folder)


DATA_SETS: dict[str, tuple[OfficialFile, ...]] = {
    "cifar10": (_file(_TORONTO, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
    "cifar100": (_file(_TORONTO, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),),
    "svhn": (
        _file(_SVHN, "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", "svhn"),
        _file(_SVHN, "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", "svhn"),
    ),
    "lfw": (
        _file(_LFW, "lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201", "lfw"),
        _file(_LFW, "pairs.txt", "9f1ba174e4e1c508ff7cdf10ac338a7d", "lfw"),
    ),
}
"""By the name that ``faceshield data get`` takes. The checksums are the sources' or torchvision's."""


def open_data(source: str | Path, split: Split, size: int | None = None, limit: int | None = None) -> Examples:
    """One split of the data set at ``source``, with at most ``limit`` pictures a class drawn from the ids alone.

    ``source`` is a folder or .zip of class folders, below train/ and test/ (or val/) or without; CIFAR-10 or
    CIFAR-100 in the binary version, unpacked or as .tar.gz; SVHN's .mat files; or "digits", scikit-learn's bundled 8×8
    digits as 32×32 RGB. Where there is no split, a fifth of each class is the test, drawn from the ids alone. ``size``
    brings the middle square of each picture to ``size`` × ``size``. Nothing is downloaded. Raises UsageError for a path
    that does not exist or is of another kind, and for invalid data.
    """
    if split not in _FOLDERS:
        raise UsageError(f"split {split!r} is unknown; use 'train' or 'test'")
    if str(source) == "digits":
        return _half(_digits(), split).limit(limit).resize(size)
    path = Path(source)
    if not path.exists():
        raise UsageError(f"{path}: is not there; name a folder, a .zip, CIFAR's .tar.gz, SVHN's .mat, or 'digits'")
    mat = find_svhn_file(path, split)
    if mat is not None:
        return read_svhn(mat).limit(limit).resize(size)
    if is_cifar(path):
        return read_cifar(path, split).limit(limit).resize(size)
    if path.is_dir() or path.suffix.lower() == ".zip":
        return _from_tree(path, split, size, limit)
    if path.suffix.lower() == ".mat":
        raise UsageError(f"{path}: SVHN's {split} part is {split}_32x32.mat, which is not beside it; put it there")
    raise UsageError(f"{path}: is no data set known here; use class folders, a .zip of them, CIFAR's .tar.gz or a .mat")


def open_training_part(source: str | Path, size: int | None = None, limit: int | None = None) -> Examples:
    """The train split of ``source`` where the data comes with one, and all of it where class folders lie at the top.

    Arguments and errors are those of :func:`open_data`. "digits" have no split: a fifth of them stays out, as the test.
    """
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip"):
        with open_tree(path) as tree:
            folders = tree.folders("")
            plain = any(name.lower().endswith(SUFFIXES) for folder in folders for name in tree.files(folder))
        if plain:
            return read_tree(path, size, limit=limit)
    return open_data(source, "train", size, limit)


def _from_tree(path: Path, split: Split, size: int | None, limit: int | None) -> Examples:
    with open_tree(path) as tree:
        under = _split_folder(tree, path, split)
    if under is None:
        return _half(read_tree(path, size), split).limit(limit)
    return read_tree(path, size, under=under, limit=limit)


def _split_folder(tree: Tree, path: Path, split: Split) -> str | None:
    """The folder of ``split``, at the top or in the only folder there; None where class folders lie at the top."""
    top = tree.folders("")
    for prefix in ("", f"{top[0]}/") if len(top) == 1 else ("",):
        found = tree.folders(prefix.removesuffix("/"))
        is_split = "train" in found and ("test" in found or "val" in found or len(found) == 1)
        if is_split:
            name = next((name for name in _FOLDERS[split] if name in found), None)
            if name is None:
                raise UsageError(f"{path}: has a folder train but no test or val; add one to have a {split} split")
            return prefix + name
    return None


def _half(data: Examples, split: Split) -> Examples:
    test = data.hold_out(HELD_OUT, seed=0)
    return data.select(test if split == "test" else ~test)


def _digits() -> Examples:
    """All 1,797 of scikit-learn's digits; 16 grey levels become 0 to 255."""
    from sklearn.datasets import load_digits  # scikit-learn takes seconds that only this should pay

    bunch = load_digits()
    grey = torch.from_numpy(np.rint(bunch.images * (255 / 16)).astype(np.uint8))
    images = grey[:, None].expand(-1, 3, -1, -1).contiguous()
    ids = tuple(f"digits/{i:04d}" for i in range(len(images)))
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    return Examples(images, labels, ids, tuple("0123456789")).resize(32)
