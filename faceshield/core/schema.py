"""What pydantic finds wrong with a user's words, as one line that ends with the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from faceshield.core.errors import UsageError

M = TypeVar("M", bound=BaseModel)


def suggest(word: str, known: Iterable[str]) -> str:
    """ " did you mean …?" with the known word most like ``word``, to end a message with; "" where none is known."""
    near = difflib.get_close_matches(word, list(known), 1, 0)
    return f"; did you mean {near[0]!r}?" if near else ""


def find_first_error(error: ValidationError) -> ErrorDetails:
    """The one error to show: an unknown key before all, for the key it was meant to be is then missing too."""
    return min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")


def validate(declared: type[M], values: Mapping[str, Any], where: str, extra: Iterable[str] = ()) -> M:
    """``values`` as ``declared``. ``where`` opens the error.

    ``extra`` are names that an error may suggest beside the declared ones. Raises UsageError: an unknown key or word
    (its nearest neighbour is named), a missing key, a value of the wrong kind.
    """
    try:
        return declared.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(find_first_error(error), declared, extra)}") from None


def check_part(declared: type[BaseModel], part: Mapping[str, Any], where: str) -> None:
    """Raises UsageError where ``part`` holds a key or value that ``declared`` forbids; keys may be missing from it."""
    try:
        declared.model_validate(part)
    except ValidationError as error:
        wrong = next((one for one in error.errors() if one["type"] != "missing"), None)
        if wrong is not None:
            raise UsageError(f"{where}: {explain(wrong, declared)}") from None


def check_name(declared: type[BaseModel], name: str, where: str) -> None:
    """Raises UsageError where ``declared`` has no key of this name."""
    if name not in declared.model_fields:
        raise UsageError(f"{where}: unknown key {name!r}{suggest(name, declared.model_fields)}")


def explain(error: ErrorDetails, declared: type[BaseModel], extra: Iterable[str] = ()) -> str:
    """An error of validating as ``declared`` in a line; ``extra`` are keys known at the top beside those declared."""
    inner = error.get("ctx", {}).get("error")
    if isinstance(inner, ValidationError):  # settings within settings, such as those of a cell's ``set``
        return explain(find_first_error(inner), declared, extra)
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        *path, word = error["loc"]
        known = [*_fields(declared, path), *(() if path else extra)]
        return f"unknown key {name!r}{suggest(str(word), known)}"
    if error["type"] == "literal_error":
        known, word = re.findall(r"'([^']*)'", error["ctx"]["expected"]), error["input"]
        return f"{name}: {word!r} is unknown; use {', '.join(known)}{suggest(str(word), known)}"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}" if name else error["msg"]


def _fields(declared: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """The names that may stand at ``path`` below ``declared``."""
    here = declared
    for name in path:
        if isinstance(name, int):  # of a list's item, whose type was taken with the list's
            continue
        annotation = here.model_fields[name].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        here = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(here.model_fields)
