"""VGG-11 with batch norm (Simonyan & Zisserman, 2014) in its form for small pictures: one linear layer as head."""

from __future__ import annotations

from torch import nn

from faceshield.models.classifier import Classifier
from faceshield.models.stem import Stem, make_stem

_CHANNELS = (0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0)  # in widths, after the stem; 0 is a max-pooling that halves


class VGG(Classifier):
    """Eight 3×3 convolutions, the stem's included, and five poolings; (N, 8·width) features.

    The convolutions have no bias: the batch norm behind each would take it away again. Pictures of fewer than 32 pixels
    (64 behind the stem "stride2") are too small for five poolings.
    """

    def __init__(self, classes: int, *, width: int = 64, stem: Stem = "cifar") -> None:
        first = make_stem(stem, width)
        layers: list[nn.Module] = []
        inputs = width
        for factor in _CHANNELS:
            if not factor:
                layers.append(nn.MaxPool2d(2))
                continue
            outputs = factor * width
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        super().__init__(first, nn.Sequential(*layers), inputs, classes)


def vgg11_bn(classes: int, *, width: int = 64, stem: Stem = "cifar") -> VGG:
    """VGG-11 of the paper's Table 1; ``width`` 64 is the paper's, with 9.2 M parameters."""
    return VGG(classes, width=width, stem=stem)
