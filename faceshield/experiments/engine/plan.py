"""From a recipe to its cells: which keys, which seeds, and the hash that decides whether one is already done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from faceshield.core.cache import digest_json
from faceshield.core.errors import UsageError
from faceshield.core.results import Key
from faceshield.experiments.engine.recipe import Recipe, Scale

Inputs = Callable[[Key, dict[str, Any]], str]


@dataclass(frozen=True)
class Planned:
    """One cell of one recipe at one scale; ``digest`` is the hash of everything in the recipe that decides its result.

    ``inputs`` is the fingerprint of the data it reads, for experiments that give one, else "".
    """

    key: Key
    seed: int
    settings: dict[str, Any]
    digest: str
    inputs: str = ""

    @property
    def cache(self) -> str:
        """The name of the file that keeps the finished cell."""
        return f"{(digest_json([self.digest, self.inputs]) if self.inputs else self.digest)[:16]}.json"

    @property
    def title(self) -> str:
        """The cell in words: "noise none, seed 0"."""
        return f"{', '.join(f'{name} {value}' for name, value in self.key.items())}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """A recipe's cells at one scale in order: every key of the matrix for every seed; a cell's number counts from 1.

    The first ``recipe_cells`` are the recipe's, the rest those of further seeds.
    """

    cells: tuple[Planned, ...]
    recipe_cells: int

    @property
    def config_sha256(self) -> str:
        """The hash of the recipe's own cells, as result files keep it: another one, another configuration.

        The fingerprint of the data is no part of it: the recipe is the same where its data is not at hand.
        """
        return digest_json([planned.digest for planned in self.cells[: self.recipe_cells]])

    def select(self, only: int | None, seeds: Sequence[int] | None) -> list[int]:
        """The numbers of the cells that ``only`` (one number) or ``seeds`` ask for; all of them where both are None.

        Raises UsageError where no cell has the number.
        """
        if only is not None and not 1 <= only <= len(self.cells):
            raise UsageError(f"cell {only} does not exist; the recipe has cells 1 to {len(self.cells)} at this scale")
        return [
            number
            for number, planned in enumerate(self.cells, 1)
            if (only is None or number == only) and (seeds is None or planned.seed in seeds)
        ]


def plan(recipe: Recipe, scale: Scale, seeds: Sequence[int] | None = None, inputs: Inputs | None = None) -> Plan:
    """What a run of the recipe at ``scale`` consists of; ``inputs`` gives the fingerprint of the data a cell reads.

    ``seeds`` that the recipe does not have are added at the end, so that a cell's number stays what it is. Raises
    UsageError where the recipe lacks the scale or the scale's seeds are no list of whole numbers.
    """
    settings = recipe.at(scale)
    recipe_seeds = settings.get("seeds", recipe.seeds)
    if not isinstance(recipe_seeds, list) or not recipe_seeds or any(type(seed) is not int for seed in recipe_seeds):
        raise UsageError(f"recipe {recipe.id} at {scale}: seeds is {recipe_seeds!r}; give a list such as [0, 1, 2]")
    extra = [seed for seed in dict.fromkeys(seeds or ()) if seed not in recipe_seeds]
    read = [(key, inputs(key, settings) if inputs is not None else "") for key in recipe.cells(scale)]
    cells = tuple(
        Planned(
            key,
            seed,
            settings,
            digest_json({"experiment": recipe.experiment, "key": key, "seed": seed, **_keep_decisive(key, settings)}),
            fingerprint,
        )
        for part in (recipe_seeds, extra)
        for key, fingerprint in read
        for seed in part
    )
    return Plan(cells, len(read) * len(recipe_seeds))


def _keep_decisive(key: Key, settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` without those that do not affect a cell of this ``key``.

    These are the entries of ``generate`` ("NOISE FORM" → settings) for other noises, and ``trained`` where the cell
    uses the shipped extractor. A finished cell thus stays valid when another noise's or extractor's settings change.
    """
    if key.get("extractor", "resnet29") == "resnet29":
        settings = {name: value for name, value in settings.items() if name != "trained"}
    if "generate" not in settings:
        return settings
    generate = {
        name: value
        for name, value in settings["generate"].items()
        if name.split()[0] == key.get("noise") and name.split()[-1] == key.get("form", name.split()[-1])
    }
    return {**settings, "generate": generate}
