"""Small pictures and networks for the tests of noise methods."""

from __future__ import annotations

import torch
from torch import nn

from faceshield.data.examples import Examples
from faceshield.noise.base import Learner
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded
from faceshield.training.runtime import Runtime

EPSILON = 8 / 255


def pictures(classes=3, each=8, size=8, seed=0):
    """Each class a pattern of its own under noise, some pixels black or white; the classes take turns."""
    rng = torch.Generator().manual_seed(seed)
    count = classes * each
    labels = torch.arange(count) % classes
    pattern = torch.rand(classes, 3, size, size, generator=rng)
    x = pattern[labels] + 0.5 * torch.randn(count, 3, size, size, generator=rng)
    ids = tuple(f"{number:03d}" for number in range(count))
    names = tuple(f"c{number}" for number in range(classes))
    return Examples((x * 255).clamp(0, 255).to(torch.uint8), labels, ids, names)


def shuffled(data, seed=1):
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return Examples(data.images[order], data.labels[order], tuple(data.ids[i] for i in order.tolist()), data.classes)


def network(classes=3, size=8, seed=0):
    """Convolution, batch norm and a smooth bend."""

    def build():
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(6 * (size // 2) ** 2, classes),
        )  # fmt: skip

    return build_seeded(build, seed)


def fresh(classes=3, size=8, seed=0, lr=0.1):
    """A learner of a new :func:`network` on the CPU."""
    return learner(network(classes, size, seed), Runtime.best("cpu", "float32"), lr=lr)


def trained(data, steps=60, **of):
    """A learner whose network has been fitted to ``data``."""
    made = fresh(len(data.classes), data.images.shape[-1], **of)
    made.model.train()
    for _ in range(steps):
        made.fit(data.images.float() / 255, data.labels)
    made.model.eval()
    return made


def unfitted(model):
    """A learner that never changes its network: δ can be computed by hand."""

    def refused(*_):
        raise AssertionError("nobody asked to fit θ")

    return Learner(model, model.eval, refused, dict, refused, torch.device("cpu"))
