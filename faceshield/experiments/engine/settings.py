"""An experiment's settings and a cell's key: declared once, so that a misspelt word is refused before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from faceshield.core.errors import UsageError
from faceshield.core.schema import validate

SOURCE = "a folder or file below --data"
Source = Annotated[str, SOURCE]
MADE_HERE = ("fabricated", "digits")  # data sets that need no file
RESERVED = ("experiment", "key", "seed")  # they decide a cell's digest beside the settings


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


def check_settings(declared: type[S], settings: Mapping[str, Any], where: str, of_scale: Iterable[str] = ()) -> S:
    """``settings`` as ``declared``. ``where`` opens the message; ``of_scale`` are the keys that the scale itself sets.

    Raises UsageError: an unknown key or word (its nearest neighbour is named), a missing key, a value of the wrong
    kind.
    """
    for name in RESERVED:
        if name in settings:
            raise UsageError(f"{where}: settings may not be named {name!r}; it says which cell is run")
    return validate(
        declared, {name: value for name, value in settings.items() if name != "seeds"}, where,
        lambda name: " in the scale" if name in set(of_scale) else " in settings", ["seeds"],
    )  # fmt: skip
