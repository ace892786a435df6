"""CIFAR-10 and CIFAR-100 from the official *binary* version: plain bytes, unlike the pickles of the Python version."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples

_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 28  # bytes: CIFAR-100's train.bin is 153 700 000


@dataclass(frozen=True)
class _Layout:
    """names: the file with a class name a line · labels: bytes before the pixels, the last one is the (fine) label."""

    folder: str
    names: str
    labels: int
    parts: Mapping[str, tuple[str, ...]]

    def files(self) -> set[str]:
        return {self.names, *(name for names in self.parts.values() for name in names)}


_LAYOUTS = (
    _Layout(
        "cifar-10-batches-bin",
        "batches.meta.txt",
        1,
        {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
    ),
    _Layout("cifar-100-binary", "fine_label_names.txt", 2, {"train": ("train.bin",), "test": ("test.bin",)}),
)


def is_cifar(path: Path) -> bool:
    """Whether ``path`` is a .tar.gz, or a folder with a batch of CIFAR in it or in its official folder."""
    if path.is_file():
        return path.name.lower().endswith((".tar.gz", ".tgz"))
    return any(_folder(path, layout) is not None for layout in _LAYOUTS)


def read_cifar(path: Path, split: str) -> Examples:
    """CIFAR-10 or CIFAR-100 (fine labels) at 32×32, ids BATCH/INDEX, in the order of the files.

    ``path`` is the folder with the .bin files, the one above it, or the .tar.gz as it is offered; ``split`` "train" or
    "test". Raises UsageError for an absent, cut-off or oversized file, a label without a name, and an archive that is
    neither of the two.
    """
    files = _from_archive(path) if path.is_file() else _from_folder(path)
    layout = next((one for one in _LAYOUTS if not one.files().isdisjoint(files)), None)
    if layout is None:
        raise UsageError(f"{path}: holds no .bin files of CIFAR; take the binary version, cifar-10-binary.tar.gz")
    for name in (layout.names, *layout.parts[split]):
        if name not in files:
            raise UsageError(f"{path}: lacks {name}; unpack the whole of the official archive")
    classes = tuple(files[layout.names].decode("utf-8", "replace").split())
    images, labels, ids = [], [], []
    for name in layout.parts[split]:
        record = layout.labels + _PIXELS
        if not files[name] or len(files[name]) % record:
            raise UsageError(f"{path}: {name} is {len(files[name])} bytes, no multiple of {record}; fetch it again")
        rows = np.frombuffer(files[name], np.uint8).reshape(-1, record)
        labels.append(rows[:, layout.labels - 1])
        images.append(rows[:, layout.labels :])
        ids += [f"{name.removesuffix('.bin')}/{i:05d}" for i in range(len(rows))]
    drawn = torch.from_numpy(np.concatenate(labels)).long()
    if int(drawn.max()) >= len(classes):
        raise UsageError(f"{path}: label {int(drawn.max())} has no name in {layout.names}; fetch the data set again")
    pixels = torch.from_numpy(np.concatenate(images)).view(-1, 3, 32, 32)
    return Examples(pixels, drawn, tuple(ids), classes)


def _folder(path: Path, layout: _Layout) -> Path | None:
    """Where the .bin files of ``layout`` lie: ``path`` itself or its official folder in ``path``."""
    batches = {name for names in layout.parts.values() for name in names}
    folders = (path, path / layout.folder)
    return next((folder for folder in folders if any((folder / name).is_file() for name in batches)), None)


def _from_folder(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for layout in _LAYOUTS:
        folder = _folder(path, layout)
        for file in sorted(folder.iterdir()) if folder and not files else ():
            if file.name in layout.files():
                _refuse_oversized(file, file.stat().st_size)
                files[file.name] = file.read_bytes()
    return files


def _from_archive(path: Path) -> dict[str, bytes]:
    """The wanted members by their last name; nothing is unpacked to the disk."""
    wanted = set().union(*(layout.files() for layout in _LAYOUTS))
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if name in wanted and member.isfile():
                    _refuse_oversized(path / name, member.size)
                    content = archive.extractfile(member)
                    files[name] = content.read() if content is not None else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a .tar.gz ({error}); fetch it again") from None
    return files


def _refuse_oversized(path: Path, size: int) -> None:
    if size > _LARGEST:
        raise UsageError(f"{path}: is {size} bytes, CIFAR's largest file has 153700000; fetch the data set again")
