"""An experiment: what runs a cell, with its settings and key declared, so that a misspelt word is refused in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from faceshield.core.cache import digest_json
from faceshield.core.results import Key
from faceshield.core.schema import validate
from faceshield.experiments.engine.context import MADE_HERE, Context
from faceshield.models.weights import read_checksums

SOURCE = "a folder or file below --data"
Source = Annotated[str, SOURCE]


class CellKey(BaseModel):
    """What tells a cell from the others of its recipe; a subclass beside each experiment declares the fields.

    Words are ``Literal``s. A name that only some cells have has a default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Settings(BaseModel):
    """What a recipe may set for an experiment; a subclass beside each experiment declares the fields.

    Mark what names data by the type :data:`Source`. A setting that only some scales need has the default None.
    """

    model_config = ConfigDict(extra="forbid")

    def sources(self, key: CellKey) -> tuple[str, ...]:
        """Names of what must lie below ``--data`` for a cell: the fields marked Source, those of inner settings too."""
        found: list[str] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Settings):
                found += value.sources(CellKey())
            elif SOURCE in field.metadata and isinstance(value, str) and value not in MADE_HERE:
                found.append(value)
        return tuple(dict.fromkeys(found))

    def fits(self, key: CellKey) -> None:
        """Raises UsageError where a cell's key names something that these settings lack; a subclass checks more."""


S = TypeVar("S", bound=Settings)
K = TypeVar("K", bound=CellKey)


@dataclass(frozen=True)
class Experiment(Generic[S, K]):
    """``cell(key, seed, settings, context)`` returns a cell's metrics; ``settings`` and ``key`` declare its arguments.

    ``inputs`` returns a text that changes with the data a cell reads, such as ``Context.content`` of each source; a
    cell is then run again when its data changed. Give it to new experiments only: it changes the names of their caches.
    ``weights`` names the shipped files that decide what a cell makes: with others, nothing made before counts.
    """

    cell: Callable[[K, int, S, Context], dict[str, Any]]
    settings: type[S]
    key: type[K]
    inputs: Callable[[K, S, Context], str] | None = None
    weights: tuple[str, ...] = ()

    def place(self, work: Path) -> Path:
        """The folder of its caches: ``work``, or one below it for the content of its :attr:`weights`."""
        return work / f"weights-{digest_json(read_checksums(self.weights))[:8]}" if self.weights else work

    def run(self, key: Key, seed: int, settings: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """The metrics of one cell, from a recipe's own words. Raises UsageError for words that are not declared."""
        return self.cell(self.check_key(key), seed, self.check_settings(settings), context)

    def fingerprint(self, key: Key, settings: Mapping[str, Any], context: Context) -> str:
        """The text that ``inputs`` gives for a cell; "" for an experiment without ``inputs``."""
        return "" if self.inputs is None else self.inputs(self.check_key(key), self.check_settings(settings), context)

    def sources(self, key: Key, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of what a cell reads below ``--data``."""
        return self.check_settings(settings).sources(self.check_key(key))

    def check_key(self, key: Key, where: str = "key") -> K:
        """``key`` as declared; raises as :meth:`check_settings`."""
        return validate(self.key, key, where)

    def check_settings(self, settings: Mapping[str, Any], where: str = "settings") -> S:
        """``settings`` of a recipe at a scale, without its seeds, as declared; ``where`` opens the message.

        Raises UsageError: an unknown key or word (its nearest neighbour is named), a missing key, a value of the wrong
        kind.
        """
        return validate(
            self.settings, {name: value for name, value in settings.items() if name != "seeds"}, where, ["seeds"]
        )


def describe_sources(key: CellKey, settings: Settings, context: Context) -> str:
    """The ``inputs`` of most experiments: a text that changes with the data that a cell reads."""
    return " ".join(context.content(name) for name in settings.sources(key))
