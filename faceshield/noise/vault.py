"""Where identities are kept: one safetensors file a person, mode 0600, in the user's data folder."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.outputs import open_folder
from faceshield.core.store import read_tensors, write_tensors
from faceshield.core.user_folder import user_folder
from faceshield.noise.identity import Identity

FORMAT = "faceshield-identity-1"
STORED = {"class_index": "slot"}  # a field's name in the file, where it differs
FORBIDDEN = frozenset('/\\:*?"<>|')


def find_folder() -> Path:
    """The identities' folder, in :func:`faceshield.core.user_folder.user_folder`; it need not exist."""
    return user_folder() / "identities"


def locate(name: str) -> Path:
    """The file of identity ``name``. Raises UsageError for a name that cannot be a file's."""
    if not name.strip() or name.startswith(".") or len(os.fsencode(name)) > 200 or FORBIDDEN & set(name):
        raise UsageError(f"identity name {name!r} cannot be used; take a plain word such as 'me' or 'anna'")
    if any(ord(character) < 32 for character in name):
        raise UsageError(f"identity name {name!r} holds control characters; take a plain word such as 'me'")
    return find_folder() / f"{name}.safetensors"


def exists(name: str) -> bool:
    """Whether an identity of this name is kept here."""
    return locate(name).is_file()


def open_for_writing() -> None:
    """Make the identities' folder, this user's alone. Raises StoreError where it cannot be written."""
    open_folder(find_folder(), "set FACESHIELD_HOME", mode=0o700)


def save(identity: Identity, path: Path | None = None) -> Path:
    """Keep ``identity`` (or write it to ``path``, for export), readable by this user alone."""
    target = path or locate(identity.name)
    if path is None:
        open_for_writing()
    fields = {STORED.get(key, key): value for key, value in vars(identity).items() if key != "delta"}
    write_tensors(target, {"delta": identity.delta}, {"format": FORMAT, **fields}, mode=0o600)
    return target


def load(name: str) -> Identity:
    """The identity kept under ``name``. Raises StoreError where there is none or its file is damaged."""
    path = locate(name)
    if not path.is_file():
        known = ", ".join(list_names()) or "none yet"
        raise StoreError(f"identity {name!r} is not kept here (known: {known}); cloak some photos to make it")
    return read(path)


def read(path: Path) -> Identity:
    """An identity from any file that :func:`save` wrote. Raises StoreError for other files."""
    tensors, fields = read_tensors(path)
    if fields.pop("format", None) != FORMAT or "delta" not in tensors:
        raise StoreError(f"{path}: is not a faceshield identity; expected a file made by 'identity export'")
    try:
        values = {name: fields.pop(key) for name, key in STORED.items() if key in fields}
        identity = Identity(delta=tensors["delta"], **fields, **values)
    except TypeError:
        raise StoreError(f"{path}: is from another version of faceshield; export it again") from None
    delta, epsilon = identity.delta, identity.epsilon
    complete = isinstance(identity.name, str) and isinstance(identity.bank_correlation, float)
    if not (complete and isinstance(epsilon, float) and 0 < epsilon <= 1):
        raise StoreError(f"{path}: is damaged; restore a copy or export it again")
    square = delta.dim() == 3 and delta.shape[0] == 3 and delta.shape[1] == delta.shape[2] > 0
    if delta.dtype != torch.float32 or not square:
        raise StoreError(f"{path}: its noise has a form of another version of faceshield; export it again")
    if not bool(delta.abs().max() <= epsilon + 1e-6):
        raise StoreError(f"{path}: its noise breaks its own bound epsilon={epsilon:g}; do not use it")
    return identity


def list_names() -> list[str]:
    """The names of all identities kept here, sorted."""
    return sorted(path.stem for path in find_folder().glob("[!.]*.safetensors")) if find_folder().is_dir() else []


def delete(name: str) -> None:
    """Remove an identity for good, be its file damaged or not. Photos cloaked with it stay as they are.

    Raises StoreError where none is kept under ``name``.
    """
    if not exists(name):
        load(name)
    locate(name).unlink()
