"""Class-per-folder trees of pictures, in a folder or in a .zip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples, choose_limited
from faceshield.data.pictures import LARGEST_FILE, SUFFIXES, decode_all
from faceshield.data.zipped import open_zip


class Tree(Protocol):
    """Folders and files by name, with "/" between the parts and "" for the top, wherever they lie."""

    def folders(self, under: str) -> list[str]:
        """Names of the folders right below ``under``, sorted."""

    def files(self, folder: str) -> list[str]:
        """Names of the files right in ``folder``, sorted."""

    def read(self, name: str) -> bytes:
        """A file's bytes; any thread may ask. Raises UsageError where they cannot be had."""


class FolderTree:
    """A :class:`Tree` in a folder of the disk. Hidden files and folders are passed over."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folders(self, under: str) -> list[str]:
        return self._names(under, folders=True)

    def files(self, folder: str) -> list[str]:
        return self._names(folder, folders=False)

    def read(self, name: str) -> bytes:
        path = self._root / name
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise UsageError(f"{path}: is larger than {LARGEST_FILE} bytes, no picture needs that; take it out")
            return path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read as a picture ({error.strerror}); take it out") from None

    def _names(self, folder: str, folders: bool) -> list[str]:
        path = self._root / folder
        found = path.iterdir() if path.is_dir() else ()
        return sorted(path.name for path in found if path.is_dir() == folders and not path.name.startswith("."))


@contextmanager
def open_tree(root: Path) -> Iterator[Tree]:
    """The tree in the folder or .zip at ``root``. Raises UsageError for a file that is no whole zip."""
    if root.is_file():
        with open_zip(root) as tree:
            yield tree
    else:
        yield FolderTree(root)


def read_tree(
    root: Path,
    size: int | None = None,
    *,
    under: str = "",
    classes: Sequence[str] | None = None,
    limit: int | None = None,
) -> Examples:
    """The pictures CLASS/FILE of a folder or .zip, in the order of these ids.

    ``size`` brings the middle square of each picture to ``size`` × ``size``, see
    :func:`faceshield.data.pictures.decode_all`; without it all must have one size. ``under`` names a folder to start
    in, such as "train"; ids do not begin with it. ``classes`` takes these folders alone, labelled in the order given
    (ImageNet-100: its hundred wnids). ``limit`` takes at most so many pictures a class, drawn from the ids alone.
    Raises UsageError for a tree without class folders or pictures, an absent class, mixed sizes, or a file with
    a picture's suffix that cannot be decoded.
    """
    with open_tree(root) as tree:
        where = f"{root}/{under}" if under else f"{root}"
        prefix = f"{under}/" if under else ""
        folders = tree.folders(under)
        if not folders:
            raise UsageError(f"{where}: has no folders; expected one folder a person (or class) with pictures in it")
        absent = sorted(set(classes or ()) - set(folders))
        if absent:
            raise UsageError(f"{where}: has no class {absent[0]!r}; its classes are {folders[0]!r} … {folders[-1]!r}")
        ids: list[str] = []
        labels: list[int] = []
        names = tuple(folders if classes is None else classes)
        for label, folder in enumerate(names):
            chosen = [f"{folder}/{file}" for file in tree.files(prefix + folder) if file.lower().endswith(SUFFIXES)]
            if limit is not None:
                chosen = [chosen[i] for i in choose_limited(chosen, limit)]
            ids += chosen
            labels += [label] * len(chosen)
        if not ids:
            raise UsageError(f"{where}: its folders hold no pictures")
        images = decode_all(ids, lambda id: tree.read(prefix + id), where, size)
    return Examples(images, torch.tensor(labels), tuple(ids), names)
