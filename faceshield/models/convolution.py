"""A convolution with an activation of its own: the one block that the small pretrained recognisers are made of."""

from __future__ import annotations

from torch import nn


def conv_prelu(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution (padded to keep the size at stride 1) → PReLU with a slope for each channel.

    Each frozen batch norm is folded into the convolution before it.
    """
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.PReLU(outputs))


def depthwise_prelu(channels: int, stride: int = 1) -> nn.Sequential:
    """3×3 convolution of each channel by itself → PReLU."""
    return nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels), nn.PReLU(channels))
