"""An experiment's settings and a cell's key: declared once, so that a misspelt word is refused before any work."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from faceshield.core.errors import UsageError
from faceshield.core.results import Value

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


def nearest(word: str, known: Iterable[str]) -> str:
    """ " did you mean …?" with the known word most like ``word``, to end a message with."""
    near = difflib.get_close_matches(word, list(known), 1, 0)
    return f"; did you mean {near[0]!r}?" if near else ""


def worst(error: ValidationError) -> ErrorDetails:
    """The one error to show: an unknown key before all, for the key it was meant to be is then missing too."""
    return min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")


def check_settings(declared: type[S], settings: Mapping[str, Any], where: str, own: Iterable[str] = ()) -> S:
    """``settings`` as ``declared``. ``where`` opens the message, ``own`` are the keys that the scale itself sets.

    Raises UsageError: an unknown key or word (its nearest neighbour is named), a missing key, a value of the wrong
    kind.
    """
    for name in RESERVED:
        if name in settings:
            raise UsageError(f"{where}: settings may not be named {name!r}; it says which cell is run")
    try:
        return declared.model_validate({name: value for name, value in settings.items() if name != "seeds"})
    except ValidationError as error:
        first = worst(error)
        place = "the scale" if first["loc"] and first["loc"][0] in set(own) else "settings"
        raise UsageError(f"{where}: {_told(first, declared, f' in {place}')}") from None


def check_key(declared: type[K], key: Mapping[str, Value], where: str) -> K:
    """``key`` as ``declared``. Raises UsageError, opened by ``where``: as :func:`check_settings`."""
    try:
        return declared.model_validate(key)
    except ValidationError as error:
        raise UsageError(f"{where}: {_told(worst(error), declared)}") from None


def check_part(declared: type[CellKey], part: Mapping[str, Value], where: str) -> None:
    """Raises UsageError where ``part`` holds what no key may hold; names may be missing from it."""
    try:
        declared.model_validate(part)
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["type"] != "missing"]
        if wrong:
            raise UsageError(f"{where}: {_told(wrong[0], declared)}") from None


def check_name(declared: type[CellKey], name: str, where: str) -> None:
    """Raises UsageError where no key has the name."""
    if name not in declared.model_fields:
        raise UsageError(f"{where}: unknown key {name!r}{nearest(name, declared.model_fields)}")


def _told(error: ErrorDetails, declared: type[BaseModel], place: str = "") -> str:
    """One of pydantic's errors as a line that ends with the fix."""
    inner = error.get("ctx", {}).get("error")
    if isinstance(inner, ValidationError):  # settings within settings, such as those of a cell's ``set``
        return _told(worst(inner), declared, place)
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        names = _fields(declared, error["loc"][:-1])
        return f"unknown key {name!r}{place}{nearest(str(error['loc'][-1]), names)}"
    if error["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        word = error["input"]
        return f"{name}{place}: {word!r} is unknown; use {', '.join(known)}{nearest(str(word), known)}"
    return f"{name}{place}: {error['msg'].removeprefix('Value error, ')}" if name else error["msg"]


def _fields(declared: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """The names that may stand at ``path`` below ``declared``."""
    here = declared
    for name in path:
        annotation = here.model_fields[str(name)].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return [*here.model_fields, *(["seeds"] if here is declared and issubclass(here, Settings) else [])]
