"""SFace of OpenCV's model zoo (Zhong et al. 2021): MobileNet's chain of separable convolutions, trained by angle.

The network of ``face_recognition_sface_2021dec.onnx``; Apache-2.0.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from faceshield.models.convolution import conv_prelu, depthwise_prelu
from faceshield.models.embedder import Embedder

SIZE = 112
"""Side of the input in pixels, on the field's five-point template."""

_STAGES = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


class SFace(Embedder):
    """27 convolutions and one layer over all of their last outputs."""

    width = 128

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_prelu(3, 32, 3)]
        inputs = 32
        for outputs, stride in _STAGES:
            layers += [depthwise_prelu(inputs, stride), conv_prelu(inputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(1024 * 7 * 7, self.width)

    def features(self, images: Tensor) -> Tensor:
        """(N, 128) as the published network gives them, before they are brought to unit length."""
        x: Tensor = self.fc(self.layers((255 * images - 127.5) / 128).flatten(1))
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Unit embeddings (N, 128) of RGB ``images`` (N, 3, 112, 112) in [0, 1]; differentiable."""
        return functional.normalize(self.features(images), dim=1)
