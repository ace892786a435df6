"""fr_feature of Faceplugin's face recognition for the browser: MobileFaceNet (Chen et al. 2018) of 512 dimensions.

The network of ``fr_feature.onnx`` of npm's ``faceplugin-face-recognition-js``; MIT. Its publisher hands it red
first; it verified slightly more of LFW blue first, so that is how pixels reach it here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from faceshield.models.convolution import conv_prelu, depthwise_prelu
from faceshield.models.embedder import Embedder

SIZE = 112
"""Side of the input in pixels, on the field's five-point template."""

_STAGES = [(64, 128, 64, 4), (64, 256, 128, 6), (128, 512, 128, 2)]
"""(channels in, inside and out, residual blocks) after each halving; those blocks are as wide inside as twice out."""


class Bottleneck(nn.Module):
    """1×1 up, 3×3 in each channel, 1×1 down without an activation; ``residual`` adds what came in."""

    def __init__(self, inputs: int, inside: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1
        self.up, self.spread = conv_prelu(inputs, inside, 1), depthwise_prelu(inside, stride)
        self.down = nn.Conv2d(inside, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        down: Tensor = self.down(self.spread(self.up(x)))
        return x + down if self.residual else down


class FrFeature(Embedder):
    """The network with each frozen batch norm folded into the convolution before it, as it is published."""

    width = 512

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_prelu(3, 64, 3, 2), depthwise_prelu(64)]
        for inputs, inside, outputs, blocks in _STAGES:
            layers.append(Bottleneck(inputs, inside, outputs, 2))
            layers += [Bottleneck(outputs, 2 * outputs, outputs) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers, conv_prelu(128, 512, 1))
        self.pool = nn.Conv2d(512, 512, 7, groups=512)
        self.fc = nn.Conv2d(512, self.width, 1)

    def features(self, images: Tensor) -> Tensor:
        """(N, 512) as the published network gives them, before they are brought to unit length."""
        x: Tensor = self.fc(self.pool(self.layers((255 * images.flip(1) - 127.5) / 128)))
        return x.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Unit embeddings (N, 512) of RGB ``images`` (N, 3, 112, 112) in [0, 1]; differentiable."""
        return functional.normalize(self.features(images), dim=1)
