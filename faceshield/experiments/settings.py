"""An experiment's settings: declared once, so that a misspelt key is refused and the data it needs can be named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from faceshield.core.errors import UsageError
from faceshield.reports.results import Key

SOURCE = "a folder or file below --data"
Source = Annotated[str, SOURCE]
MADE_HERE = ("fabricated", "digits")  # data sets that need no file
RESERVED = ("experiment", "key", "seed")  # they decide a cell's digest beside the settings


class Settings(BaseModel):
    """What a recipe may set for an experiment; a subclass beside each experiment declares the fields.

    Mark what names data by the type :data:`Source`. A setting that only some scales need has the default None.
    """

    model_config = ConfigDict(extra="forbid")

    def sources(self, key: Key) -> tuple[str, ...]:
        """Names of what must lie below ``--data`` for a cell: the fields marked Source (the key's own go first)."""
        found: list[str] = []
        for name, field in type(self).model_fields.items():
            value = key.get(name, getattr(self, name))
            if isinstance(value, Settings):
                found += value.sources({})
            elif SOURCE in field.metadata and isinstance(value, str) and value not in MADE_HERE:
                found.append(value)
        return tuple(dict.fromkeys(found))


def nearest(word: str, known: Iterable[str]) -> str:
    """ " did you mean …?" with the known word most like ``word``, to end a message with."""
    near = difflib.get_close_matches(word, list(known), 1, 0)
    return f"; did you mean {near[0]!r}?" if near else ""


def worst(error: ValidationError) -> ErrorDetails:
    """The one error to show: an unknown key before all, for the key it was meant to be is then missing too."""
    return min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")


def checked(declared: type[Settings], settings: dict[str, Any], where: str, own: Iterable[str] = ()) -> Settings:
    """``settings`` as ``declared``. ``where`` opens the message, ``own`` are the keys that the scale itself sets.

    Raises UsageError: an unknown key (its nearest neighbour is named), a missing one, a value of the wrong kind.
    """
    for name in RESERVED:
        if name in settings:
            raise UsageError(f"{where}: settings may not be named {name!r}; it says which cell is run")
    try:
        return declared.model_validate({name: value for name, value in settings.items() if name != "seeds"})
    except ValidationError as error:
        first = worst(error)
        place = "the scale" if first["loc"] and first["loc"][0] in set(own) else "settings"
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            fields = _fields(declared, first["loc"][:-1])
            raise UsageError(
                f"{where}: unknown key {name!r} in {place}{nearest(str(first['loc'][-1]), fields)}"
            ) from None
        raise UsageError(f"{where}: {name} in {place}: {first['msg']}") from None


def _fields(declared: type[Settings], path: Iterable[int | str]) -> list[str]:
    """The names that may stand at ``path`` below ``declared``."""
    here = declared
    for name in path:
        annotation = here.model_fields[str(name)].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(option for option in options if isinstance(option, type) and issubclass(option, Settings))
    return [*here.model_fields, *(["seeds"] if here is declared else [])]
