"""The small recognisers that ship with the tool, trained on CelebA-100: masks are made against them and ResNet-29.

A mask made against one network exploits its peculiarities and does not transfer; an ensemble shares few of them.
Made by recipes/faces/recognisers.yaml.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceshield.core.errors import StoreError
from faceshield.models.resnet import ResNet, resnet18
from faceshield.models.weights import load, split_numbered

RECOGNISERS = "recognisers_rn18"
"""Their name among the weights."""


class OwnRecogniser(nn.Module):
    """A small recogniser: ``network``'s features of crops of ``size``² pixels, centred and of unit length.

    Attributes:
        centre: (D,) mean feature of the training faces.
        strangers: (C, D) background identities: unit mean feature of each person it was trained on.
    """

    centre: Tensor
    strangers: Tensor

    def __init__(self, network: ResNet, size: int, centre: Tensor, strangers: Tensor) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.register_buffer("centre", centre)
        self.register_buffer("strangers", strangers)

    def forward(self, images: Tensor) -> Tensor:
        """(N, D) features of unit length of ``images`` (N, 3, size, size) RGB in [0, 1]; differentiable."""
        return F.normalize(self.network.features(images) - self.centre, dim=1)


def build_recogniser(network: ResNet, size: int, images: Tensor, labels: Tensor) -> OwnRecogniser:
    """The recogniser of ``network``, trained on crops ``images`` (N, 3, size, size) uint8 of people ``labels`` (N,)."""
    with torch.no_grad():
        features = torch.cat([network.features(part.float() / 255) for part in images.split(128)])
        unit = F.normalize(features - features.mean(0), dim=1)
        means = torch.stack([unit[labels == label].mean(0) for label in labels.unique()])
    return OwnRecogniser(network, size, features.mean(0), F.normalize(means, dim=1))


def load_recognisers() -> list[OwnRecogniser]:
    """All that come with the tool, frozen, in eval mode and float32. Raises StoreError if their file is damaged."""
    tensors, fields = load(RECOGNISERS)
    try:
        made = []
        for state, size in zip(split_numbered(tensors), fields["sizes"], strict=True):
            classes, width = state["strangers"].shape[0], int(fields["width"])
            network = resnet18(classes, width=width, stem="stride2")
            recogniser = OwnRecogniser(network, int(size), state["centre"], state["strangers"])
            recogniser.load_state_dict(state)
            made.append(recogniser.eval().requires_grad_(False))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise StoreError(f"weights {RECOGNISERS}: do not fit this version of faceshield ({error})") from None
    return made
