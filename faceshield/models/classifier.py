"""What all networks of the zoo share: pixels → stem → blocks → mean over the picture → head."""

from __future__ import annotations

from torch import Tensor, nn


def normalize(images: Tensor) -> Tensor:
    """Pixels in [0, 1] of any shape to [−2, 2], about zero mean and unit spread: every network does it itself.

    So noise, budgets and networks share the one range [0, 1].
    """
    return (images - 0.5) * 4


class Classifier(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] → (N, classes) logits; :meth:`features` gives the (N, channels) embedding.

    ``blocks`` maps the stem's output to (N, channels, h, w) for any h and w: the mean makes pictures of every size fit.
    """

    def __init__(self, stem: nn.Module, blocks: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = blocks
        self.head = nn.Linear(channels, classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, channels) pooled activations before the classifier head."""
        out: Tensor = self.blocks(self.stem(normalize(x))).mean((2, 3))
        return out

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
