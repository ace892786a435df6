"""Files appear whole or not at all: atomic bytes, JSON and safetensors. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from faceshield.core.errors import StoreError

CLOAKED = "faceshield.json"
"""What a cloaking run leaves beside its photos: the report that links each to its original."""

_PREFIX, _SUFFIX = ".faceshield-", ".part"
_TEMPORARY = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")  # what tempfile puts between them
_asking = Lock()


@contextmanager
def replace_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` for writing; it takes the name ``path`` when the block ends.

    ``mode`` as for chmod. Where the block raises, nothing is left and ``path`` is as it was. Raises OSError where the
    folder cannot be written or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=_SUFFIX)
    os.close(handle)
    temporary = Path(name)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode if mode is not None else 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # after the rename it is no longer there


@contextmanager
def create_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``path`` to fill; it takes the name ``path`` when the block ends.

    Where the block raises, nothing is left. Raises OSError where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=_PREFIX, suffix=_SUFFIX))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp lets only the owner in
        temporary.rename(path)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def is_temporary(path: Path) -> bool:
    """Whether ``path`` has the name of a file that :func:`replace_file` has not yet finished."""
    return _TEMPORARY.fullmatch(path.name) is not None


def write_bytes(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write ``data`` to ``path``, whole or not at all; ``mode`` as for chmod.

    Raises StoreError where the folder cannot be written or the disk is full.
    """
    try:
        with replace_file(path, mode) as file:
            file.write(data)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error


def _umask() -> int:
    with _asking:  # it can only be read by setting it: two threads at once could leave it at 0
        mask = os.umask(0)
        os.umask(mask)
    return mask


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented UTF-8 JSON, atomically; what UTF-8 has not (odd file names) as JSON's own escapes."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


def read_json(path: Path) -> Any:
    """Raises StoreError where the file is absent or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is not JSON ({error}); delete it or restore a copy") from error


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], mode: int | None = None
) -> None:
    """Tensors with JSON ``metadata`` as one safetensors file, atomically."""
    packed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(packed, {"faceshield": json.dumps(metadata, sort_keys=True)}), mode)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and metadata of a file written by :func:`write_tensors`.

    Metadata is {} for a safetensors file made elsewhere. Raises StoreError if absent, cut off or another kind.
    """
    try:
        if not path.is_file():
            raise StoreError(f"{path}: no such file")
        with safe_open(str(path), framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("faceshield", "{}"))
            if not isinstance(metadata, dict):
                raise ValueError("its metadata is no JSON object")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise StoreError(f"{path}: is not a whole safetensors file ({error}); make it again") from error


def sha256(data: bytes | Path) -> str:
    """Hexadecimal SHA-256 of bytes or of a file's content."""
    return hashlib.sha256(data.read_bytes() if isinstance(data, Path) else data).hexdigest()
