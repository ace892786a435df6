"""The pictures that are to be protected: a data set's training part, or every picture of a plain folder."""

from __future__ import annotations

from pathlib import Path

from faceshield.data.examples import Examples
from faceshield.data.pictures import SUFFIXES
from faceshield.data.sources import open_data
from faceshield.data.tree import open_tree, read_tree


def open_training_part(source: str | Path, size: int | None = None, limit: int | None = None) -> Examples:
    """The train split of ``source`` where the data comes with one, and all of it where class folders lie at the top.

    ``source``, ``size`` and ``limit`` are :func:`faceshield.data.sources.open_data`'s, and so are the errors. "digits"
    come without a split and keep the fifth that is their test apart.
    """
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip"):
        with open_tree(path) as tree:
            folders = tree.folders("")
            plain = any(name.lower().endswith(SUFFIXES) for folder in folders for name in tree.files(folder))
        if plain:
            return read_tree(path, size, limit=limit)
    return open_data(source, "train", size, limit)
