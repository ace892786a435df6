"""YuNet (Wu, Peng and Yu 2023): a face detector of 54,608 weights, as OpenCV's model zoo has it (2023mar).

Every eighth, sixteenth and thirty-second pixel says whether a face lies around it, where its edges are and where its
five points are. These outputs are decoded here; ``faces.yunet`` drops overlapping faces.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceshield.models import weights

NAME = "yunet"
STRIDES = (8, 16, 32)
MULTIPLE = 32  # pixels: the sides of what it is shown are whole numbers of these
_OUTPUTS = 1 + 1 + 4 + 10  # face or not, how well placed, box, five points


class Seen(NamedTuple):
    """What YuNet says of each place of each picture: boxes (N, A, 4) xyxy, points (N, A, 5, 2), scores (N, A).

    Pixels of the picture it was shown, counted from its edge (a pixel's centre is at ½); scores in [0, 1].
    """

    boxes: Tensor
    points: Tensor
    scores: Tensor


class _Unit(nn.Module):
    """A 1×1 convolution that mixes channels, then a 3×3 one within each, then (but for the heads) ReLU."""

    def __init__(self, inputs: int, outputs: int, relu: bool = True) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, outputs, 1)
        self.within = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.within(self.mix(x))
        return x.relu_() if self.relu else x


class YuNet(nn.Module):
    """Maps RGB (N, 3, H, W) float32 in [0, 1], H and W multiples of 32, to :class:`Seen`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.first = nn.Sequential(_Unit(16, 16))
        self.second = nn.Sequential(_Unit(16, 16), _Unit(16, 32), _Unit(32, 32), _Unit(32, 64))
        self.levels = nn.ModuleList(nn.Sequential(_Unit(64, 64), _Unit(64, 64)) for _ in STRIDES)
        self.lateral = nn.ModuleList(_Unit(64, 64) for _ in STRIDES)
        self.heads = nn.ModuleList(_Unit(64, _OUTPUTS, relu=False) for _ in STRIDES)

    def forward(self, images: Tensor) -> Seen:
        x = self.second(functional.max_pool2d(self.first(self.stem(images).relu_()), 2))
        maps = []
        for level in self.levels:
            x = level(functional.max_pool2d(x, 2))
            maps.append(x)
        above: Tensor | None = None
        for number in reversed(range(len(STRIDES))):
            joined = maps[number]
            if above is not None:
                joined = joined + functional.interpolate(above, scale_factor=2, mode="nearest")
            maps[number] = above = self.lateral[number](joined)
        parts = [_decode(head(x), stride) for head, x, stride in zip(self.heads, maps, STRIDES, strict=True)]
        return Seen(*(torch.cat(part, 1) for part in zip(*parts, strict=True)))


def _decode(raw: Tensor, stride: int) -> Seen:
    """``raw`` (N, 16, h, w) of one level: distances are in its steps, sizes are logarithms of them."""
    count, _, height, width = raw.shape
    raw = raw.permute(0, 2, 3, 1).reshape(count, height * width, _OUTPUTS).float()
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack((columns, rows), -1).reshape(-1, 2).to(raw)
    scores = raw[..., :2].sigmoid().prod(-1).sqrt()
    centre = (raw[..., 2:4] + place) * stride
    half = raw[..., 4:6].exp() * (stride / 2)
    points = (raw[..., 6:].unflatten(-1, (5, 2)) + place[:, None]) * stride
    return Seen(torch.cat((centre - half, centre + half), -1), points, scores)


def load() -> YuNet:
    """The shipped network, frozen and in evaluation mode. Raises StoreError where its file is missing or damaged."""
    network = YuNet()
    network.load_state_dict({name: tensor.float() for name, tensor in weights.load(NAME)[0].items()})
    return network.requires_grad_(False).eval()
