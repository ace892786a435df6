"""EM-GrayAug: error-minimizing noise without colour, which a collector who trains on grey pictures does not undo.

Liu et al., "Going Grayscale: The Road to Understanding and Improving Unlearnable Examples" (2021, arXiv 2111.13244).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from faceshield.core.budget import split_colour
from faceshield.data.augment import crop_and_flip
from faceshield.noise.base import Learner, add_noise
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.pgd import Shape, Transform


def to_grey(images: Tensor, generator: Generator) -> Tensor:
    """The lightness of ``images`` (N, 3, H, W) in all three channels; nothing is drawn."""
    return split_colour(images)[0].unsqueeze(-3).expand_as(images)


def even_channels(delta: Tensor) -> Tensor:
    """δ (…, 3, H, W) with its mean over the channels in each of them."""
    return delta.mean(-3, keepdim=True).expand_as(delta)


@dataclass(frozen=True)
class GrayAug(ErrorMin):
    """Algorithm 1 with grey pictures: min_θ min_δ CE(f_θ(grey(x + δ)), y), δ equal in all channels.

    θ is fitted on grey(a(x + δ)) with a random crop and flip a, δ and the error see grey(x + δ) as it is. With g_c the
    gradient on channel c, the step is the sum of the channels' signs, δ ← Π(δ − a Σ_c sign g_c). Since δ then takes the
    mean over its channels, that is a signed step of ``alpha`` = 3a: the published a = ε/10 is ``alpha`` = 3ε/10. An
    example's picture may leave [0, 1] in a channel, where it is cut when it is used: else δ would get a colour there.

    Cost: as error-min. Published (CIFAR-10, RN-18, sample-wise): 26.0 % in colour, 25.0 % in grey.
    """

    name: ClassVar[str] = "em-grayaug"
    in_range: ClassVar[bool] = False

    alpha: float = 3 * 8 / 2550  # 3 ε / 10
    view: Transform | None = to_grey
    shape: Shape | None = even_channels

    def _prepare(self, images: Tensor, delta: Tensor, labels: Tensor, learner: Learner, rng: Generator) -> Tensor:
        return to_grey(crop_and_flip(add_noise(images, delta), rng), rng)
