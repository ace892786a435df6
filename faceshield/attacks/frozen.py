"""A recogniser that somebody trained on other faces: its features are compared, or a classifier is learned on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor


def find_nearest(gallery: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    """(q,) labels: whose photo in ``gallery`` (g, D), by ``labels`` (g,), is nearest to each of ``queries`` (q, D)."""
    return labels[torch.cdist(queries, gallery).argmin(1)]


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features, scaled to zero mean and unit variance first.

    Attributes:
        mean: (D,) of the training features.
        spread: (D,) their standard deviation.
        weight: (C, D).
        bias: (C,).
        classes: (C,) int64, the label of each row.
    """

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor
    classes: Tensor

    def __call__(self, queries: Tensor) -> Tensor:
        """(q,) int64 labels of ``queries`` (q, D)."""
        return self.classes[(((queries - self.mean) / self.spread) @ self.weight.T + self.bias).argmax(1)]


def fit_probe(features: Tensor, labels: Tensor, *, strength: float = 10.0) -> Probe:
    """Fit a linear classifier to frozen ``features`` (n, D) of ``labels`` (n,), by scikit-learn.

    ``strength`` is the inverse of the L2 penalty on the weights.
    """
    mean, spread = features.mean(0), features.std(0).clamp_min(1e-6)
    learned = LogisticRegression(C=strength, max_iter=400).fit(
        ((features - mean) / spread).double().numpy(), labels.numpy()
    )
    weight, bias = (torch.from_numpy(part).to(features) for part in (learned.coef_, learned.intercept_))
    if len(weight) == 1:  # of two classes scikit-learn gives the second one's logit alone
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return Probe(mean, spread, weight, bias, torch.from_numpy(learned.classes_).to(labels))
