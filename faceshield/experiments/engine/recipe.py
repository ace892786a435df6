"""A recipe: one claim, the cells that test it, and the paper's numbers; read from YAML and checked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected, Key, Value
from faceshield.core.schema import validate
from faceshield.reports.plot import Kind, Plot

Scale = Literal["smoke", "mini", "paper"]
Matrix = list[dict[str, list[Value]]]


class Recipe(BaseModel):
    """``matrix`` is a list of blocks; each block's lists are multiplied out into cells, each cell run for each seed.

    ``experiment`` names the entry of ``experiments.engine.registry`` that runs a cell; ``settings`` are its arguments,
    overridden by those of the chosen scale, which may also have a ``matrix`` of its own. ``plot`` names one or several
    kinds of figure, ``plot_x``, ``plot_by`` and ``plot_metrics`` say what they show (see
    :class:`faceshield.reports.plot.Plot`); ``note`` is one line on why ours and the paper's numbers differ.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    claim: str
    experiment: str
    matrix: Matrix
    seeds: list[int] = [0]
    settings: dict[str, Any] = {}
    scales: dict[Scale, dict[str, Any]]
    expected: list[Expected] = []
    note: str | None = None
    plot: list[Kind] = []
    plot_x: str | None = None
    plot_by: str | None = None
    plot_metrics: list[str] = []

    @field_validator("plot", mode="before")
    @classmethod
    def _listify(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("scales")
    @classmethod
    def _check_matrices(cls, scales: dict[Scale, dict[str, Any]]) -> dict[Scale, dict[str, Any]]:
        for changes in scales.values():
            if "matrix" in changes:
                TypeAdapter(Matrix).validate_python(changes["matrix"])
        return scales

    def cells(self, scale: Scale | None = None) -> list[Key]:
        """The cells' keys in the order of the matrix: the scale's own where it has one."""
        matrix: Matrix = self.matrix if scale is None else self.scales[scale].get("matrix", self.matrix)
        return [
            dict(zip(block, values, strict=True)) for block in matrix for values in itertools.product(*block.values())
        ]

    def at(self, scale: Scale) -> dict[str, Any]:
        """The settings at a scale. Raises UsageError where the recipe has no such scale."""
        if scale not in self.scales:
            raise UsageError(f"recipe {self.id} has no scale {scale!r}; it has {', '.join(self.scales)}")
        merged = {**self.settings, **self.scales[scale]}
        return {name: value for name, value in merged.items() if name != "matrix"}  # a cell more changes no other

    def plots(self) -> list[Plot]:
        """The figures it asks for, in order."""
        return [Plot(kind, self.plot_x, self.plot_by, tuple(self.plot_metrics)) for kind in self.plot]


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
    return validate(Recipe, value, str(path))


def find_recipes(root: Path) -> list[Path]:
    """The recipes below ``root``, in folders of any depth, sorted. Raises UsageError where it is no folder."""
    if not root.is_dir():
        raise UsageError(f"{root}: is no folder; recipes are part of the source, run this in a checkout of it")
    return sorted(path for path in root.rglob("*.yaml") if path.is_file())
