"""DenseNet-121 (Huang et al., 2017): every layer adds ``width``/2 channels to all that came before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceshield.models.classifier import Classifier
from faceshield.models.stem import Stem, make_stem


class DenseLayer(nn.Module):
    """bn-relu-conv 1×1-bn-relu-conv 3×3; (N, inputs, H, W) → (N, inputs + growth, H, W)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(self.relu(self.norm2(out)))], 1)


class DenseNet(Classifier):
    """Four dense blocks of ``blocks[i]`` layers, with a transition between two that halves channels and picture."""

    def __init__(
        self, classes: int, *, width: int = 64, stem: Stem = "cifar", blocks: tuple[int, ...] = (6, 12, 24, 16)
    ) -> None:
        first = make_stem(stem, width)
        growth = width // 2
        layers: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(blocks):
            if stage:
                layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, inputs // 2, 1, bias=False)]
                layers.append(nn.AvgPool2d(2))
                inputs //= 2
            for _ in range(count):
                layers.append(DenseLayer(inputs, growth))
                inputs += growth
        layers += [nn.BatchNorm2d(inputs), nn.ReLU()]
        super().__init__(first, nn.Sequential(*layers), inputs, classes)


def densenet121(classes: int, *, width: int = 64, stem: Stem = "cifar") -> DenseNet:
    """DN-121 of the paper's Table 1; ``width`` 64 (growth 32) is the paper's, with 7.0 M parameters."""
    return DenseNet(classes, width=width, stem=stem)
