"""Which experiment runs the cells of which recipe, and whether the recipe's words are the experiment's."""

from __future__ import annotations

import importlib
from typing import Any

from faceshield.core.errors import UsageError
from faceshield.core.results import Key
from faceshield.core.schema import check_name, check_part, suggest
from faceshield.experiments.engine.experiment import Experiment
from faceshield.experiments.engine.recipe import Recipe

# each is imported when a recipe names it: one experiment's libraries are no other's business
WHERE = {
    "ablation": "faces.ablation:EXPERIMENT",
    "added-class": "paper.transfer:ADDED_CLASS",
    "backdoor": "paper.backdoor:EXPERIMENT",
    "bank": "faces.bank:EXPERIMENT",
    "battery": "faces.battery:EXPERIMENT",
    "classify": "paper.classify:EXPERIMENT",
    "cost": "paper.cost:EXPERIMENT",
    "crops": "faces.crops:EXPERIMENT",
    "detection": "faces.detection:EXPERIMENT",
    "pattern": "faces.pattern:EXPERIMENT",
    "recognition": "faces.recognition:EXPERIMENT",
    "selfie": "faces.selfie:EXPERIMENT",
    "surrogate": "faces.surrogates:EXPERIMENT",
    "face-methods": "faces.methods:EXPERIMENT",
    "lfw-pretrained": "faces.lfw:EXPERIMENT",
    "linkable": "faces.linkable:EXPERIMENT",
    "mask-ablation": "faces.masks:EXPERIMENT",
    "mapped-classes": "paper.transfer:MAPPED_CLASSES",
    "transfer": "faces.transfer:EXPERIMENT",
    "verification": "faces.verification:EXPERIMENT",
}


def import_experiment(name: str) -> Experiment[Any, Any]:
    """The experiment of a name. Raises UsageError for an unknown one."""
    if name not in WHERE:
        raise UsageError(f"experiment {name!r} is unknown; use {', '.join(WHERE)}{suggest(name, WHERE)}")
    module, _, attribute = WHERE[name].partition(":")
    experiment: Experiment[Any, Any] = getattr(importlib.import_module(f"faceshield.experiments.{module}"), attribute)
    return experiment


def load_experiment(recipe: Recipe) -> Experiment[Any, Any]:
    """The experiment named in a recipe, its settings, keys and expectations checked at every scale.

    Raises UsageError for an unknown experiment; settings and keys that it does not have, lacks, or has of another kind;
    an expectation or a figure that is about no cell.
    """
    experiment = import_experiment(recipe.experiment)
    for scale in recipe.scales:
        where = f"recipe {recipe.id} at {scale}"
        settings = experiment.check_settings(recipe.at(scale), where)
        for key in recipe.cells(scale):
            settings.fits(experiment.check_key(key, f"{where}, matrix"))
    for key in recipe.cells():  # a matrix that each scale replaces is checked too
        experiment.check_key(key, f"recipe {recipe.id}, matrix")
    every = [key for scale in (*recipe.scales, None) for key in recipe.cells(scale)]
    for number, bar in enumerate(recipe.expected, 1):
        where = f"recipe {recipe.id}, expected {number}"
        for name in bar.without or ():
            check_name(experiment.key, name, where)
        _check_subject(bar.key, experiment, where, [key for key in every if key.keys().isdisjoint(bar.without or ())])
        if bar.near is not None:
            _check_subject(bar.near.key, experiment, f"{where}, near", every)
    for what, axis in (("plot_x", recipe.plot_x), ("plot_by", recipe.plot_by)):
        if axis is not None:
            check_name(experiment.key, axis, f"recipe {recipe.id}, {what}")
    return experiment


def _check_subject(part: Key, experiment: Experiment[Any, Any], where: str, cells: list[Key]) -> None:
    """Raises UsageError where no cell's key contains ``part``."""
    check_part(experiment.key, part, where)
    for name, value in part.items():
        known = list(dict.fromkeys(str(key[name]) for key in cells if name in key))
        if not any(key.get(name) == value for key in cells):
            raise UsageError(f"{where}: no cell has {name} {value!r}{suggest(str(value), known)}")
        cells = [key for key in cells if key.get(name) == value]
