"""The step that fits θ, as noise methods are handed it: noise knows no optimiser and no device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from faceshield.models.classifier import Classifier
from faceshield.noise.base import Learner
from faceshield.training import checkpoint
from faceshield.training.optim import MOMENTUM, sgd
from faceshield.training.parallel import descend
from faceshield.training.runtime import Runtime


def learner(
    model: nn.Module,
    runtime: Runtime,
    *,
    lr: float = 0.1,
    momentum: float = MOMENTUM,
    weight_decay: float = 5e-4,
    clip: float | None = 5.0,
) -> Learner:
    """``model`` on the runtime's device with SGD at a constant rate, as in the authors' released code.

    ``clip`` bounds the gradient's Euclidean length over all parameters; None leaves it. ``fit`` leaves the network's
    train or eval mode as it is. ``restore`` raises StoreError for the state of another network. Of several processes
    each computes its share of a batch, and all make the same step.
    """
    model = runtime.place(model)
    optimizer = sgd(model, lr=lr, momentum=momentum, weight_decay=weight_decay)
    ranks = runtime.ranks

    def fit(images: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(runtime.forward(model, images[ranks.rows]), labels[ranks.rows], reduction="none")
        descend(losses.sum() / len(images), model, optimizer, ranks, clip)
        return ranks.gather(losses.detach(), len(images))

    def state() -> dict[str, Tensor]:
        return checkpoint.state(model, optimizer)

    def restore(tensors: Mapping[str, Tensor]) -> None:
        checkpoint.restore(model, optimizer, tensors)

    features = partial(runtime.freeze, _Features(model)) if isinstance(model, Classifier) else None
    return Learner(model, partial(runtime.freeze, model), fit, state, restore, runtime.device, ranks, features)


class _Features(nn.Module):
    """A network without its head."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.features(x)
