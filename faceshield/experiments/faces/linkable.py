"""A noise as a mark: can photos of one user be found to belong together, and be told from photos without noise?

No recogniser is trained. Whoever looks has the cloaked crops, clean crops of other people, and the tool with its bank,
but no original.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.evaluation.residual import (
    RESIDUALS,
    average,
    correlate,
    detectability_roc,
    linkability_roc,
    spectrum,
)
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment, describe_sources
from faceshield.experiments.faces.crops import Cloaked, CloakedKey, CloakedSettings, cloak_people
from faceshield.noise.surrogate import NOISE_WEIGHTS, load_bank

BEST = 3  # of the bank's noises, by their correlation with a photo's residual


class LinkableSettings(CloakedSettings):
    """``protect`` are the users; ``averaged`` photos of a person give one estimate of the noise."""

    averaged: int


class LinkableKey(CloakedKey):
    """``residual`` of ``evaluation.residual``."""

    residual: Literal["high-pass", "wiener", "chroma"]


def linkable(key: LinkableKey, seed: int, settings: LinkableSettings, context: Context) -> dict[str, Any]:
    """One cell.

    auc and auc_averaged: same user or not, by the residuals of two photos and of two means of several; without noise it
    is the faces themselves that tell. auc_cloaked: cloaked or not, by a classifier that learned on the first half of
    the users. noise_correlation: of the mean residual of all photos of a user with that of their noise, mean of users.
    """
    name = key.residual
    made = cloak_people(key, seed, settings, context)
    labels = made.people.labels
    users = ~made.held & (labels >= made.protected.start)
    others = ~made.held & ~users
    usual = _extract_residuals(made.people.images[others], name).mean(0)
    marks, owners = _extract_residuals(made.images[users], name) - usual, labels[users]
    metrics: dict[str, Any] = {
        "auc": linkability_roc(marks, owners).auc,
        "auc_averaged": linkability_roc(*average(marks, owners, settings.averaged)).auc,
        "users": len(made.protected),
        "photos": len(owners),
    }
    if key.noise == "none":
        return metrics
    clean = _extract_residuals(made.people.images[users], name) - usual
    return {
        **metrics,
        "auc_cloaked": _measure_detectability(marks, clean, owners, name),
        "noise_correlation": _correlate_with_noise(marks, made, users, name),
    }


def _extract_residuals(images: Tensor, name: str) -> Tensor:
    return torch.cat([RESIDUALS[name](part.float() / 255) for part in images.split(256)])


def _measure_detectability(marks: Tensor, clean: Tensor, owners: Tensor, name: str) -> float:
    """Every second photo goes without its noise; no photo is seen both ways."""
    cloaked = torch.arange(len(owners)) % 2 == 0
    seen = torch.where(cloaked.view(-1, 1, 1, 1), marks, clean)
    bank = RESIDUALS[name](load_bank().delta)
    features = torch.cat([spectrum(seen), correlate(seen, bank).topk(BEST, 1).values], 1)
    people = owners.unique()
    known = torch.isin(owners, people[: len(people) // 2])
    return detectability_roc(features, cloaked, known).auc


def _correlate_with_noise(marks: Tensor, made: Cloaked, users: Tensor, name: str) -> float:
    added = (made.images[users].float() - made.people.images[users].float()) / 255
    owners = made.people.labels[users]
    each = [
        correlate(marks[of_user].mean(0)[None], RESIDUALS[name](added[of_user].mean(0)[None]))
        for of_user in (owners == label for label in made.protected)
    ]
    return float(torch.cat(each).mean())


EXPERIMENT = Experiment(linkable, LinkableSettings, LinkableKey, describe_sources, weights=NOISE_WEIGHTS)
