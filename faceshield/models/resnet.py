"""ResNet-18 and ResNet-50 (He et al., 2016) with a width multiplier and a stem that fits the picture size."""

from __future__ import annotations

from torch import Tensor, nn

from faceshield.models.classifier import Classifier
from faceshield.models.stem import Stem, make_stem


class BasicBlock(nn.Module):
    """conv-bn-relu-conv-bn plus shortcut, then relu."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = _build_shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        activation: Tensor = self.relu(out + self.shortcut(x))
        return activation


class Bottleneck(nn.Module):
    """1×1, 3×3 (which strides) and 1×1 convolutions, each with batch norm, plus shortcut, then relu: 4·width out."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.shortcut = _build_shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        activation: Tensor = self.relu(out + self.shortcut(x))
        return activation


def _build_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(Classifier):
    """Four stages of ``blocks[i]`` blocks and ``width``·2^i channels, times 4 for bottlenecks.

    The pictures' size decides the ``stem``, see :func:`faceshield.models.stem.make_stem`.
    """

    def __init__(
        self,
        classes: int,
        *,
        width: int = 64,
        stem: Stem = "cifar",
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock,
    ) -> None:
        first = make_stem(stem, width)
        layers: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(blocks):
            for number in range(count):
                layers.append(block(inputs, width << stage, 2 if stage and not number else 1))
                inputs = (width << stage) * block.expansion
        super().__init__(first, nn.Sequential(*layers), inputs, classes)


def resnet18(classes: int, *, width: int = 64, stem: Stem = "cifar") -> ResNet:
    """RN-18, the paper's source model f′ (§4); ``width`` 64 is the paper's, 16 has 0.7 M parameters."""
    return ResNet(classes, width=width, stem=stem)


def resnet50(classes: int, *, width: int = 64, stem: Stem = "cifar") -> ResNet:
    """RN-50 of the paper's Table 1; ``width`` 64 is the paper's, with 23.5 M parameters."""
    return ResNet(classes, width=width, stem=stem, blocks=(3, 4, 6, 3), block=Bottleneck)
