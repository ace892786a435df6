"""Files appear whole or not at all: atomic bytes, JSON and safetensors. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from faceshield.core.errors import StoreError

CLOAKED = "faceshield.json"
"""What a cloaking run leaves beside its photos: the report that links each to its original."""

_asking = Lock()


def write_bytes(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write ``data`` beside ``path`` and rename it into place; ``mode`` as for chmod.

    Raises StoreError where the folder cannot be written or the disk is full; nothing is left half-written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".faceshield-", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode if mode is not None else 0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # it is gone where all went well


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
