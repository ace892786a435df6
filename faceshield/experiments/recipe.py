"""A recipe: one claim, the cells that test it, and the paper's numbers; read from YAML and checked."""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from faceshield.core.errors import UsageError

Scale = Literal["smoke", "mini", "paper"]
Value = str | int | float | bool
Key = dict[str, Value]


class Expected(BaseModel):
    """A number to compare with: the paper's, or the bar that the claim sets."""

    model_config = ConfigDict(extra="forbid")

    key: Key
    metric: str
    paper: float | None = None
    at_most: float | None = None
    at_least: float | None = None


class Recipe(BaseModel):
    """``matrix`` is a list of blocks; each block's lists are multiplied out into cells, each cell run for each seed.

    ``experiment`` names the function in ``experiments.registry`` that runs a cell; ``settings`` are its arguments,
    overridden by those of the chosen scale.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    claim: str
    experiment: str
    matrix: list[dict[str, list[Value]]]
    seeds: list[int] = [0]
    settings: dict[str, Any] = {}
    scales: dict[Scale, dict[str, Any]]
    expected: list[Expected] = []

    def cells(self) -> list[Key]:
        """The cells' keys in the order of the matrix."""
        return [
            dict(zip(block, values, strict=True))
            for block in self.matrix
            for values in itertools.product(*block.values())
        ]

    def at(self, scale: Scale) -> dict[str, Any]:
        """The settings at a scale. Raises UsageError where the recipe has no such scale."""
        if scale not in self.scales:
            raise UsageError(f"recipe {self.id} has no scale {scale!r}; it has {', '.join(self.scales)}")
        return {**self.settings, **self.scales[scale]}


def read_recipe(path: Path) -> Recipe:
    """Raises UsageError: no such file, not YAML, an unknown key (its nearest neighbour is named), a bad value."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such recipe; 'faceshield recipes list' names them") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: is not a recipe; expected keys such as id, claim, experiment")
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            fields = Recipe.model_fields if len(first["loc"]) == 1 else Expected.model_fields
            near = difflib.get_close_matches(str(first["loc"][-1]), fields, 1, 0) or [""]
            raise UsageError(f"{path}: unknown key {where!r}; did you mean {near[0]!r}?") from None
        raise UsageError(f"{path}: {where}: {first['msg']}") from None
