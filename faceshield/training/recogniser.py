"""How a face recogniser is trained as a classifier of people: facenet-pytorch's schedule, and the angular margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.models.margin import MARGIN, SCALE, add_margin

EPOCHS = 50
LR = 0.05


@dataclass(frozen=True)
class MarginLoss:
    """The :data:`faceshield.training.loop.Criterion` of a network with a margin head."""

    scale: float = SCALE
    margin: float = MARGIN

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The batch's summed loss. Raises UsageError for soft labels: a mixture belongs to no one class's angle."""
        if target.dim() > 1:
            raise UsageError("a margin head cannot learn from mixed pictures; leave mixup and cutmix out")
        return F.cross_entropy(
            add_margin(logits, target, scale=self.scale, margin=self.margin), target, reduction="sum"
        )


def read_published_settings(epochs: int = EPOCHS) -> dict[str, Any]:
    """The released configuration of the paper's §4.5 for :func:`faceshield.training.loop.train`, beside its ``lr``.

    SGD, weight decay 5e-4, the rate (:data:`LR`) a tenth from 3/5 of the epochs on and again from 4/5: at 30 and 40
    of 50.
    """
    steps = (round(0.6 * epochs), round(0.8 * epochs))
    return {"weight_decay": 5e-4, "nesterov": False, "schedule": "steps", "milestones": steps}
