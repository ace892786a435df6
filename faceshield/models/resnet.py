"""ResNet-18 (He et al., 2016) with a width multiplier and a stem that fits the picture size.

Models take pixels in [0, 1]: normalisation is inside, so noise and networks share one space.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Stem = Literal["cifar", "stride2"]


class BasicBlock(nn.Module):
    """conv-bn-relu-conv-bn plus shortcut, then relu."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        activation: Tensor = self.relu(out + self.shortcut(x))
        return activation


class ResNet(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] → (N, classes) logits; :meth:`features` gives the (N, 8·width) embedding.

    stem "cifar": 3×3 stride 1, for 32-pixel pictures; "stride2": 3×3 stride 2, for 64 to 128 pixels.
    """

    def __init__(
        self, classes: int, *, width: int = 64, stem: Stem = "cifar", blocks: tuple[int, ...] = (2, 2, 2, 2)
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 1 if stem == "cifar" else 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(blocks):
            outputs = width << stage
            for block in range(count):
                layers.append(BasicBlock(inputs, outputs, 2 if stage and not block else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, 8·width) pooled activations before the classifier head."""
        out: Tensor = self.blocks(self.stem((x - 0.5) * 4)).mean((2, 3))
        return out

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def resnet18(classes: int, *, width: int = 64, stem: Stem = "cifar") -> ResNet:
    """RN-18; ``width`` 64 is the paper's, 16 has 0.7 M parameters."""
    return ResNet(classes, width=width, stem=stem)
