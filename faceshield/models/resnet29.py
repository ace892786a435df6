"""ResNet-29, the public-domain recogniser of dlib (King 2017): an aligned face crop to a 128-d embedding.

Two crops show the same person when their embeddings are closer than MATCH_DISTANCE. It serves as verifier, as a
frozen attacker, and as the surrogate of masks, so the forward pass is differentiable.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceshield.core.errors import StoreError
from faceshield.core.store import read_tensors
from faceshield.models import weights
from faceshield.models.embedder import Embedder, freeze_in_place

RECOGNISER = "dlib_face_resnet29"
"""Its name among the weights."""

CROP_SIZE = 150
"""Side of the input in pixels, aligned to ``imaging.crop.DLIB_150``."""

MATCH_DISTANCE = 0.6
"""Euclidean distance of raw outputs below which two crops are taken for one person (the author's threshold)."""

_BLOCKS = [(32, 1)] * 3 + [(64, 2)] + [(64, 1)] * 3 + [(128, 2)] + [(128, 1)] * 2 + [(256, 2)] + [(256, 1)] * 2
_BLOCKS += [(256, 2)]  # (channels, stride) in order of execution
_MEAN = (122.782, 117.001, 104.298)


class _Block(nn.Module):
    """conv → ReLU → conv, plus the shortcut, then ReLU. Stride 2 halves the shortcut by averaging."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, stride, padding=1 if stride == 1 else 0)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        main = self.second(self.first(x).relu())
        shortcut = functional.avg_pool2d(x, 2, 2) if self.stride == 2 else x
        return (_grow(main, shortcut) + _grow(shortcut, main)).relu()


def _grow(x: Tensor, other: Tensor) -> Tensor:
    """``x`` zero-padded at its last channels, rows and columns to be no smaller than ``other``."""
    missing = [max(0, other.shape[axis] - x.shape[axis]) for axis in (-1, -2, -3)]
    return functional.pad(x, [side for amount in missing for side in (0, amount)]) if any(missing) else x


class ResNet29(Embedder):
    """The network with each frozen batch norm folded into the convolution before it."""

    width = 128
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2)
        inputs = [32] + [channels for channels, _ in _BLOCKS]
        self.blocks = nn.Sequential(*(_Block(n, *block) for n, block in zip(inputs, _BLOCKS, strict=False)))
        self.fc = nn.Linear(256, self.width, bias=False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Raw embeddings (N, 128) of RGB ``images`` (N, 3, 150, 150) in [0, 1]; differentiable."""
        x = (255 * images - self.mean) / 256
        x = functional.max_pool2d(self.stem(x).relu(), 3, 2)
        embedding: Tensor = self.fc(self.blocks(x).mean(dim=(2, 3)))
        return embedding


def build(tensors: Mapping[str, Tensor]) -> ResNet29:
    """The network, frozen and in eval mode, from ``conv.NN.*``, ``affine.NN.*`` and ``fc.weight``.

    Half-precision tensors are computed in float32. Raises StoreError naming a tensor that is absent or misshapen.
    """
    network = ResNet29()

    def take(name: str, like: Tensor) -> Tensor:
        tensor = tensors.get(name)
        if tensor is None or tensor.shape != like.shape:
            found = "absent" if tensor is None else f"{tuple(tensor.shape)}"
            raise StoreError(f"ResNet-29 needs {name} of {tuple(like.shape)}, found {found}; restore the weights file")
        return tensor.float()

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for number, conv in enumerate(convolutions):
            assert conv.bias is not None
            scale = take(f"affine.{number:02d}.scale", conv.bias)
            shift = take(f"affine.{number:02d}.bias", conv.bias)
            conv.weight.copy_(take(f"conv.{number:02d}.weight", conv.weight) * scale.view(-1, 1, 1, 1))
            conv.bias.copy_(take(f"conv.{number:02d}.bias", conv.bias) * scale + shift)
        network.fc.weight.copy_(take("fc.weight", network.fc.weight))
    return freeze_in_place(network)


def load(path: Path | None = None) -> ResNet29:
    """The network from a safetensors file, by default the half-precision copy shipped in ``weights/``.

    Raises StoreError where the file is absent, damaged or of another network.
    """
    return build(read_tensors(path)[0] if path else weights.load(RECOGNISER)[0])
