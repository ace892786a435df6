"""A recipe: one claim, the cells that test it, and the paper's numbers; read from YAML and checked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.results import Expected, Key, Value
from faceshield.core.schema import validate
from faceshield.core.shipped import list_places
from faceshield.reports.plot import Kind, Plot

Scale = Literal["smoke", "mini", "paper"]
Seeds = Annotated[list[StrictInt], Field(min_length=1)]
Matrix = Annotated[list[dict[str, list[Value]]], Field(min_length=1)]


class Changes(BaseModel):
    """What a scale has of its own: seeds, a matrix, and, as every other key, settings of the experiment."""

    model_config = ConfigDict(extra="allow")

    seeds: Seeds = []
    matrix: Matrix = []


class Recipe(BaseModel):
    """``matrix`` is a list of blocks; each block's lists are multiplied out into cells, each cell run for each seed.

    ``experiment`` names the entry of ``experiments.registry`` that runs a cell; ``settings`` are its arguments,
    overridden by those of the chosen scale. ``plot`` names one or several kinds of figure, ``plot_x``, ``plot_by`` and
    ``plot_metrics`` say what they show (see :class:`faceshield.reports.plot.Plot`); ``note`` is one line on why ours
    and the paper's numbers differ.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    claim: str
    experiment: str
    matrix: Matrix
    seeds: Seeds = [0]
    settings: dict[str, Any] = {}
    scales: dict[Scale, Changes]
    expected: list[Expected] = []
    note: str | None = None
    plot: list[Kind] = []
    plot_x: str | None = None
    plot_by: str | None = None
    plot_metrics: list[str] = []

    def cells(self, scale: Scale | None = None) -> list[Key]:
        """The cells' keys in the order of the matrix: the scale's own where it has one."""
        matrix = (scale and self.scales[scale].matrix) or self.matrix
        return [
            dict(zip(block, values, strict=True)) for block in matrix for values in itertools.product(*block.values())
        ]

    def at(self, scale: Scale) -> dict[str, Any]:
        """The settings at a scale, its own seeds among them. Raises UsageError where the recipe has no such scale."""
        if scale not in self.scales:
            raise UsageError(f"recipe {self.id} has no scale {scale!r}; it has {', '.join(self.scales)}")
        # without the matrix: a cell more makes no other run again
        return {**self.settings, **self.scales[scale].model_dump(exclude_unset=True, exclude={"matrix"})}

    def plots(self) -> list[Plot]:
        """The figures it asks for, in order."""
        return [Plot(kind, self.plot_x, self.plot_by, tuple(self.plot_metrics)) for kind in self.plot]


def read_recipe(path: Path) -> Recipe:
    """Raises UsageError: no such file, not YAML, an unknown key (its nearest neighbour is named), a bad value."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such recipe; 'faceshield recipes list' names them") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as YAML ({str(error).splitlines()[0]})") from None
    return validate(Recipe, value, str(path))


def find_folder() -> Path:
    """The shipped recipes: inside the package (installed) or beside it (source). Raises StoreError without them."""
    places = list_places("recipes")
    for place in places:
        if any(place.glob("*/*.yaml")):
            return place
    raise StoreError(f"{places[0]}: holds no recipe; install faceshield again")


def find_recipes(root: Path) -> list[Path]:
    """The recipes below ``root``, in folders of any depth, sorted."""
    return sorted(path for path in root.rglob("*.yaml") if path.is_file())
