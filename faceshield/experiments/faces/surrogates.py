"""The mixed surrogates that ship in weights/: ResNet-18 trained on people of whom some wear the bank's noises."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from faceshield.core.rng import derive_seed, generator
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment
from faceshield.experiments.faces.bank import NetworkSettings, read_source, write_made
from faceshield.models.resnet import resnet18
from faceshield.noise.base import add_rounded
from faceshield.noise.surrogate import BANK, load_bank
from faceshield.noise.transforms import Transforms
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded

LAST = 50  # steps over which the loss is told


class SurrogateSettings(NetworkSettings):
    """``steps`` of ``batch`` photos each."""

    steps: int
    batch: int


class SurrogateKey(CellKey):
    """``wearers`` is the share of a batch that wears noise."""

    wearers: float


def surrogate(key: SurrogateKey, seed: int, settings: SurrogateSettings, context: Context) -> dict[str, Any]:
    """Train and keep one.

    The first people, one for each noise of the bank and no more than half, wear it and are its class; the others come
    clean and are classes of their own, as in a collection in which few people cloak.
    """
    data = read_source(settings, context)
    classes, bank = len(data.classes), load_bank().delta
    wearing = data.labels < min(len(bank), classes // 2)
    network = build_seeded(
        lambda: resnet18(classes, width=settings.width, stem="stride2"), derive_seed(seed, key.wearers)
    )
    theta = learner(network, context.runtime, lr=settings.lr)
    view, rng, device = Transforms(), generator(seed, "surrogate", key.wearers), context.runtime.device
    count = round(key.wearers * settings.batch)
    losses: dict[str, list[Tensor]] = {"worn": [], "clean": []}
    begun = time.monotonic()
    network.train()
    for step in range(settings.steps):
        worn, clean = _draw(wearing, count, rng), _draw(~wearing, settings.batch - count, rng)
        cloaked = add_rounded(data.images[worn], bank[data.labels[worn]])
        images = torch.cat([cloaked, data.images[clean]]).float().div(255).to(device)
        found = theta.fit(view(images, rng), data.labels[torch.cat([worn, clean])].to(device))
        losses["worn"].append(found[:count].mean())
        losses["clean"].append(found[count:].mean())
        if step % LAST == LAST - 1:
            told = ", ".join(f"{name} {_mean(values):.3f}" for name, values in losses.items())
            context.say(f"  step {step + 1} of {settings.steps}: loss {told}")
    fields = {"width": settings.width, "classes": classes, "seed": seed}
    state = network.float().cpu().state_dict()
    return {
        **{f"train_loss_{name}": _mean(values) for name, values in losses.items()},
        "identities": classes,
        "seconds": round(time.monotonic() - begun, 1),
        "file": write_made(f"surrogate-{key.wearers}-{seed}", (state, fields), context),
    }


def _draw(which: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """(count,) indices of elements that are True in ``which`` (N,), with repeats."""
    places = which.nonzero()[:, 0]
    return places[torch.randint(len(places), (count,), generator=rng)]


def _mean(losses: list[Tensor]) -> float:
    return float(torch.stack(losses[-LAST:]).mean())


EXPERIMENT = Experiment(surrogate, SurrogateSettings, SurrogateKey, weights=(BANK,))
