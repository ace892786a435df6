"""The fresh surrogates that ship in weights/: ResNet-18 trained from the start on people who wear the bank's noises."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from faceshield.core.rng import derive_seed, generator
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment
from faceshield.experiments.faces.bank import NetworkSettings, read_source, share_slots, write_made
from faceshield.models.resnet import resnet18
from faceshield.noise.base import add_rounded
from faceshield.noise.surrogate import load_bank
from faceshield.noise.transforms import Transforms
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded

LAST = 50  # steps over which the loss is told


class SurrogateSettings(NetworkSettings):
    """``steps`` of ``batch`` photos each."""

    steps: int
    batch: int


class SurrogateKey(CellKey):
    """``grey`` is the probability that a photo loses its colour."""

    grey: float


def surrogate(key: SurrogateKey, seed: int, settings: SurrogateSettings, context: Context) -> dict[str, Any]:
    """Train and keep one."""
    data = read_source(settings, context)
    bank = load_bank().delta
    data = share_slots(data, len(bank))
    classes = len(data.classes)
    network = build_seeded(lambda: resnet18(classes, width=settings.width, stem="stride2"), derive_seed(seed, key.grey))
    theta = learner(network, context.runtime, lr=settings.lr)
    view, rng = replace(Transforms(), grey=key.grey), generator(seed, "surrogate", key.grey)
    losses: list[Tensor] = []
    begun = time.monotonic()
    network.train()
    for step in range(settings.steps):
        drawn = torch.randint(len(data), (settings.batch,), generator=rng)
        labels = data.labels[drawn]
        cloaked = add_rounded(data.images[drawn], bank[labels])
        device = context.runtime.device
        losses.append(theta.fit(view((cloaked.float() / 255).to(device), rng), labels.to(device)).mean())
        if step % LAST == LAST - 1:
            context.say(f"  step {step + 1} of {settings.steps}: loss {_mean(losses):.3f}")
    fields = {"width": settings.width, "classes": classes, "seed": seed}
    state = network.float().cpu().state_dict()
    return {
        "train_loss": _mean(losses),
        "identities": classes,
        "seconds": round(time.monotonic() - begun, 1),
        "file": write_made(f"surrogate-{key.grey}-{seed}", (state, fields), context),
    }


def _mean(losses: list[Tensor]) -> float:
    return float(torch.stack(losses[-LAST:]).mean())


EXPERIMENT = Experiment(surrogate, SurrogateSettings, SurrogateKey)
