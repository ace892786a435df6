"""Inception-ResNet-v1 as facenet-pytorch trained it: where its file is to be had, and how it is read safely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceshield.core.download import Checksum, OfficialFile
from faceshield.core.errors import StoreError
from faceshield.models.inception_resnet import InceptionResnetV1

VGGFACE2 = OfficialFile(
    "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
    Checksum("sha256", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"),
    "weights",
)
"""Trained on VGGFace2. Its source gives no checksum; this is the one that Py-Feat's copy of it on Hugging Face has."""

WEIGHTS: dict[str, tuple[OfficialFile, ...]] = {"vggface2": (VGGFACE2,)}
"""By facenet-pytorch's names. Its casia-webface is left out: no published checksum of that file was found."""


def load(path: Path, checksum: Checksum = VGGFACE2.checksum) -> InceptionResnetV1:
    """The network of a facenet-pytorch file, frozen and in eval mode, on the CPU; calling it gives its features.

    The file's classifier is dropped. It is a pickle, so nothing in it is looked at before ``checksum`` matches, which
    whoever calls may give for a file of their own, and then only tensors are read from it. Raises StoreError for a file
    that is absent, another one than ``checksum`` says, or not such a network's.
    """
    network = InceptionResnetV1(1)
    network.head = nn.Identity()
    network.trunk.load_state_dict(_match(_read(path, checksum), network.trunk.state_dict(), path))
    return network.eval().requires_grad_(False)


def _read(path: Path, checksum: Checksum) -> Any:
    try:
        fault = checksum.fault(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read ({error.strerror}); 'faceshield data get vggface2' fetches it"
        ) from None
    if fault:
        raise StoreError(f"{path}: is a file {fault}; delete it and run 'faceshield data get vggface2'")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no pickle of tensors can fail in any way
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path}: is no file of weights alone ({first}); use facenet-pytorch's own") from None


def _match(found: Any, expected: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Those of ``found`` that ``expected`` names, all of them and in its shapes."""
    tensors = found if isinstance(found, dict) else {}
    for name, like in expected.items():
        tensor = tensors.get(name)
        if not isinstance(tensor, Tensor) or tensor.shape != like.shape:
            shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else "absent"
            raise StoreError(
                f"{path}: is of another network, {name} of {tuple(like.shape)} is {shape}; use facenet-pytorch's own"
            )
    return {name: tensors[name] for name in expected}
