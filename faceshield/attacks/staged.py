"""Staged training (ST): the layers next to the picture stop learning first, and colour is no help.

Dang et al., "Flew Over Learning Trap: Learn Unlearnable Samples by Progressive Staged Training", 2023: a network learns
from noise by its shallow layers, which then feed the deeper ones nothing else.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from faceshield.core.budget import split_colour
from faceshield.data.augment import compose, crop_and_flip, to_device
from faceshield.data.policy import brightness, contrast

SLOW = 0.1
"""What is left of a layer's rate once its stage is over."""


def slow_shallow(depth: float, progress: float) -> float:
    """The factor of the learning rate of a parameter at ``depth`` (0 next to the picture, 1 at the logits) after
    ``progress`` (0 to 1) of the training: 1 up to a stage's end, which is later the deeper a layer lies, then
    :data:`SLOW`.

    The paper ends a stage where it measures that activations cluster by noise, and goes back to before; here the stages
    end at set times: the first layer's after a tenth of the training, the last one's never.
    """
    return 1.0 if progress <= 0.1 + 0.9 * depth else SLOW


def jitter(images: Tensor, generator: Generator) -> Tensor:
    """Contrast, brightness and the balance of the channels by factors from 0.6 to 1.4; a half loses its colour.

    images (N, 3, H, W) uint8, and so is the result.
    """
    factors = to_device(0.6 + 0.8 * torch.rand(5, len(images), generator=generator), images.device)
    out = brightness(contrast(images.float() / 255, factors[0]), factors[1])
    out = (out * factors[2:].T[:, :, None, None]).clamp(0, 1)
    grey = split_colour(out)[0].unsqueeze(1).expand_as(out)
    colourless = to_device(torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5, images.device)
    return torch.where(colourless, grey, out).mul(255).round().to(images.dtype)


STAGED = compose(crop_and_flip, jitter)
"""The paper's augmentation: jittered colour and grey pictures, after crop and flip."""
