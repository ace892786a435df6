"""An experiment's settings and a cell's key: declared once, so that a misspelt word is refused before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from faceshield.core.errors import UsageError
from faceshield.core.results import Value
from faceshield.core.schema import explain, first_error, suggest

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
    try:
        return declared.model_validate({name: value for name, value in settings.items() if name != "seeds"})
    except ValidationError as error:
        first = first_error(error)
        part = "the scale" if first["loc"] and first["loc"][0] in set(of_scale) else "settings"
        raise UsageError(f"{where}: {explain(first, declared, f' in {part}', ['seeds'])}") from None


def check_key(declared: type[K], key: Mapping[str, Value], where: str) -> K:
    """``key`` as ``declared``. Raises UsageError, opened by ``where``: as :func:`check_settings`."""
    try:
        return declared.model_validate(key)
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(first_error(error), declared)}") from None


def check_part(declared: type[CellKey], part: Mapping[str, Value], where: str) -> None:
    """Raises UsageError where ``part`` holds what no key may hold; names may be missing from it."""
    try:
        declared.model_validate(part)
    except ValidationError as error:
        wrong = next((one for one in error.errors() if one["type"] != "missing"), None)
        if wrong is not None:
            raise UsageError(f"{where}: {explain(wrong, declared)}") from None


def check_name(declared: type[CellKey], name: str, where: str) -> None:
    """Raises UsageError where no key has the name."""
    if name not in declared.model_fields:
        raise UsageError(f"{where}: unknown key {name!r}{suggest(name, declared.model_fields)}")
