"""Noise as one safetensors file: δ, the keys that own it, and how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import torch

from faceshield.core.budget import Budget
from faceshield.core.errors import FaceshieldError, StoreError
from faceshield.core.store import read_tensors, sha256, write_tensors
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples

KIND = "noise"
_ROOM = 1e-5  # above ε: what float32 arithmetic of a projected δ may leave


def write_noise(path: Path, noise: Noise) -> None:
    """Write ``noise`` to ``path``, atomically; provenance must be JSON values.

    Raises StoreError where it cannot be written.
    """
    fields = {
        "kind": KIND,
        "form": noise.form,
        "epsilon": noise.budget.epsilon,
        "norm": noise.budget.norm,
        "keys": list(noise.keys),
        "provenance": dict(noise.provenance),
    }
    write_tensors(path, {"delta": noise.delta.float()}, fields)


def read_noise(path: Path) -> Noise:
    """The noise in a file of :func:`write_noise`, float32 on the CPU; a file from elsewhere is not trusted.

    Raises StoreError for a file that is absent, cut off or no noise, and for a δ that is not finite, not (N, 3, h, w),
    without a key for each, or larger than the ε that the file names.
    """
    tensors, fields = read_tensors(path)
    if fields.get("kind") != KIND or "delta" not in tensors:
        raise StoreError(f"{path}: holds no noise; make one by 'faceshield noise generate'")
    try:
        delta, keys = tensors["delta"], [str(key) for key in fields["keys"]]
        budget = Budget(float(fields["epsilon"]), fields["norm"])
        form, provenance = fields["form"], dict(fields["provenance"])
    except (KeyError, TypeError, ValueError, FaceshieldError) as error:
        raise StoreError(f"{path}: its description is damaged ({error}); make the noise again") from None
    if form not in get_args(Form):
        raise StoreError(f"{path}: form is {form!r}, expected 'sample' or 'class'; make the noise again")
    if delta.dtype != torch.float32 or delta.dim() != 4 or delta.shape[1] != 3:
        raise StoreError(f"{path}: δ is {delta.dtype} {tuple(delta.shape)}, expected float32 (N, 3, height, width)")
    if not keys or len(keys) != len(delta) or len(set(keys)) != len(keys):
        raise StoreError(f"{path}: has {len(delta)} δ and {len(set(keys))} different keys; make the noise again")
    size = delta.abs().amax() if budget.norm == "linf" else delta.flatten(1).norm(dim=1).amax()
    if not size <= budget.epsilon * (1 + _ROOM):
        raise StoreError(f"{path}: δ reaches {float(size):.4f}, more than its ε of {budget.epsilon:.4f}")
    return Noise(delta, form, tuple(keys), budget, provenance)


def digest_data(data: Examples) -> str:
    """Hexadecimal SHA-256 of the ids and pixels in the order of the ids: what sample-wise noise belongs to."""
    data = data.sort()
    return sha256("\x1f".join(data.ids).encode() + data.images.contiguous().numpy().tobytes())


def refuse_other_data(noise: Noise, data: Examples, path: Path) -> None:
    """Raises StoreError where ``noise`` from ``path`` was not made for ``data``.

    A class-wise δ belongs to every data set that has its classes; a sample-wise one only to the very pictures it was
    made on, or to some of them.
    """
    wanted = data.ids if noise.form == "sample" else data.classes
    owned = set(noise.keys)
    absent = next((key for key in wanted if key not in owned), None)
    what = "picture" if noise.form == "sample" else "class"
    if absent is not None:
        raise StoreError(f"{path}: was made for other data, it has no δ for the {what} {absent!r}; make one for this")
    made_on: Any = noise.provenance.get("data_sha256")
    if noise.form == "sample" and made_on and len(wanted) == len(noise.keys) and made_on != digest_data(data):
        raise StoreError(f"{path}: was made for other pictures of the same names; make one for this data")
