"""What pydantic finds wrong with a user's words, as one line that ends with the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def suggest(word: str, known: Iterable[str]) -> str:
    """ " did you mean …?" with the known word most like ``word``, to end a message with; "" where none is known."""
    near = difflib.get_close_matches(word, list(known), 1, 0)
    return f"; did you mean {near[0]!r}?" if near else ""


def first_error(error: ValidationError) -> ErrorDetails:
    """The one error to show: an unknown key before all, for the key it was meant to be is then missing too."""
    return min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")


def explain(error: ErrorDetails, declared: type[BaseModel], where: str = "", extra: Iterable[str] = ()) -> str:
    """An error of validating as ``declared`` in a line.

    ``where`` follows the key's name; ``extra`` are keys that are known at the top beside the declared ones.
    """
    inner = error.get("ctx", {}).get("error")
    if isinstance(inner, ValidationError):  # settings within settings, such as those of a cell's ``set``
        return explain(first_error(inner), declared, where, extra)
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        *path, word = error["loc"]
        known = [*_fields(declared, path), *(() if path else extra)]
        return f"unknown key {name!r}{where}{suggest(str(word), known)}"
    if error["type"] == "literal_error":
        known, word = re.findall(r"'([^']*)'", error["ctx"]["expected"]), error["input"]
        return f"{name}{where}: {word!r} is unknown; use {', '.join(known)}{suggest(str(word), known)}"
    return f"{name}{where}: {error['msg'].removeprefix('Value error, ')}" if name else error["msg"]


def _fields(declared: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """The names that may stand at ``path`` below ``declared``."""
    here = declared
    for name in path:
        annotation = here.model_fields[str(name)].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(here.model_fields)
