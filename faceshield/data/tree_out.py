"""A data set written as class folders of PNG files, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from faceshield.core.errors import StoreError, UsageError
from faceshield.data.examples import Examples

_AT_ONCE = 256  # pictures between two calls of on_written


def write_tree(data: Examples, out: Path, *, on_written: Callable[[int, int], None] | None = None) -> None:
    """Write ``data`` to the new folder ``out`` as CLASS/NAME.png, lossless; ``on_written(done, all)`` follows along.

    The id CLASS/NAME.jpg becomes CLASS/NAME.png (ids of PNG files stay what they are), and an id without its class,
    such as CIFAR's data_batch_1/00000, becomes CLASS/data_batch_1-00000.png. The folder takes its name when all is
    written. Raises UsageError where ``out`` exists, two ids would share a file or a class is no folder's name,
    StoreError where it cannot be written or the disk is full; nothing is left then.
    """
    if out.exists():
        raise UsageError(f"{out}: exists already; choose another folder")
    names = [_name(id, data.classes[label]) for id, label in zip(data.ids, data.labels.tolist(), strict=True)]
    odd = next((label for label in data.classes if "/" in label or label.startswith(".") or not label), None)
    if odd is not None:  # names from a data set's own list might lead out of the folder
        raise UsageError(f"class {odd!r} cannot be the name of a folder; rename it in the data set")
    seen: dict[str, str] = {}
    for name, id in zip(names, data.ids, strict=True):
        if seen.setdefault(name, id) != id:
            raise UsageError(f"pictures {seen[name]!r} and {id!r} would both become {name!r}; rename one of them")
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=".faceshield-", suffix=".part"))
        _fill(temporary, data, names, on_written)
        temporary.chmod(0o755)  # mkdtemp's own is for its owner alone
        temporary.rename(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)


def _name(id: str, label: str) -> str:
    """The file of an example, relative to the folder."""
    stem_name = id.removeprefix(f"{label}/").replace("/", "-")
    stem, dot, suffix = stem_name.rpartition(".")
    return f"{label}/{stem if dot and suffix.isalpha() else stem_name}.png"


def _fill(folder: Path, data: Examples, names: list[str], on_written: Callable[[int, int], None] | None) -> None:
    for label in {name.partition("/")[0] for name in names}:
        (folder / label).mkdir()

    def save(i: int) -> None:
        Image.fromarray(data.images[i].permute(1, 2, 0).contiguous().numpy()).save(folder / names[i], "PNG")

    with ThreadPoolExecutor() as pool:  # zlib works outside the GIL
        for start in range(0, len(names), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(names))
            for _ in pool.map(save, range(start, stop)):
                pass
            if on_written is not None:
                on_written(stop, len(names))
