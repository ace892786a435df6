"""From a recipe to its cells: which keys, which seeds, and the hash that decides whether one is already done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faceshield.core.cache import digest_json
from faceshield.core.results import Key
from faceshield.experiments.engine.recipe import Recipe, Scale

Inputs = Callable[[Key, dict[str, Any]], str]


@dataclass(frozen=True)
class Planned:
    """One cell of one recipe at one scale.

    ``number`` is its place in the plan, from 1; ``inputs`` the fingerprint of the data it reads, for experiments that
    give one, else "".
    """

    number: int
    experiment: str
    key: Key
    seed: int
    inputs: str
    settings: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        """The hash of everything in the recipe that decides the cell's result."""
        chosen = _keep_decisive(self.key, self.settings)
        return digest_json({"experiment": self.experiment, "key": self.key, "seed": self.seed, **chosen})

    @property
    def cache(self) -> str:
        """The name of the file that keeps the finished cell."""
        return f"{(digest_json([self.digest, self.inputs]) if self.inputs else self.digest)[:16]}.json"

    @property
    def title(self) -> str:
        """The cell in words: "noise none, seed 0"."""
        return f"{', '.join(f'{name} {value}' for name, value in self.key.items())}, seed {self.seed}"


def plan(
    recipe: Recipe, scale: Scale, seeds: Sequence[int] | None = None, inputs: Inputs | None = None
) -> tuple[Planned, ...]:
    """A recipe's cells at one scale: every key of the matrix for every seed.

    ``inputs`` gives the fingerprint of the data that a cell reads. ``seeds`` that the recipe does not have are added at
    the end, so that a cell's number stays what it is. Raises UsageError where the recipe lacks the scale.
    """
    settings = recipe.at(scale)
    recipe_seeds = recipe.scales[scale].seeds or recipe.seeds
    extra = [seed for seed in dict.fromkeys(seeds or ()) if seed not in recipe_seeds]
    read = [(key, inputs(key, settings) if inputs is not None else "") for key in recipe.cells(scale)]
    rows = [(key, seed, text) for part in (recipe_seeds, extra) for key, text in read for seed in part]
    return tuple(Planned(number, recipe.experiment, *row, settings) for number, row in enumerate(rows, 1))


def digest_config(recipe: Recipe, scale: Scale) -> str:
    """The hash of the recipe's own cells, as result files keep it: another one, another configuration.

    The fingerprint of the data is no part of it: the recipe is the same where its data is not at hand.
    """
    return digest_json([planned.digest for planned in plan(recipe, scale)])


def _keep_decisive(key: Key, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` without those that do not affect a cell of this ``key``.

    These are the entries of ``generate`` ("NOISE FORM" → settings) for other noises than the cell's, or those that it
    joins by "+", and ``trained`` where the cell uses the shipped extractor. A finished cell thus stays valid when
    another noise's or extractor's settings change.
    """
    if key.get("extractor", "resnet29") == "resnet29":
        settings = {name: value for name, value in settings.items() if name != "trained"}
    if "generate" not in settings:
        return settings
    noises, form = str(key.get("noise")).split("+"), key.get("form")
    names = [name for name in settings["generate"] if name.split()[0] in noises and form in (None, name.split()[-1])]
    return {**settings, "generate": {name: settings["generate"][name] for name in names}}
