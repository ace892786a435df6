"""A recogniser that somebody trained on other faces, trained further on the collector's photos: all layers learn."""

from __future__ import annotations

from torch import Tensor, nn

from faceshield.attacks.frozen import Probe

EPOCHS, RATE, BATCH, CLIP = 3, 1e-3, 32, 1.0
"""Few epochs at a small rate: the layers know faces already, and have no batch norm to keep larger steps in bounds."""


class FineTuned(nn.Module):
    """``recogniser`` (pictures to features (N, D)) under the linear classifier of ``start``, learned on its features.

    It gives one logit for each of the classes of ``start``.

    To learn the classifier first leaves the layers less to unlearn (Kumar et al. 2022).
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, recogniser: nn.Module, start: Probe) -> None:
        super().__init__()
        self.recogniser = recogniser.requires_grad_(True)
        self.register_buffer("mean", start.mean)
        self.register_buffer("spread", start.spread)
        self.head = nn.Linear(start.weight.shape[1], len(start.weight))
        self.head.weight.data.copy_(start.weight)
        self.head.bias.data.copy_(start.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, classes) logits."""
        logits: Tensor = self.head((self.recogniser(images) - self.mean) / self.spread)
        return logits
