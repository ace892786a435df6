"""What other installed packages add under a name: entry points of Python packages."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from typing import Any, Literal

from faceshield.core.errors import UsageError

Group = Literal["faceshield.noise", "faceshield.attacks", "faceshield.recognisers"]


def list_plugins(group: Group) -> list[str]:
    """The names that installed packages add to ``group``, sorted; nothing is imported."""
    return sorted({point.name for point in entry_points(group=group)})


def find_plugin(group: Group, name: str, fits: Callable[[object], bool]) -> Any | None:
    """What a package adds to ``group`` under ``name``; None where none does.

    Raises UsageError, naming the package's module, where two packages claim the name, where it cannot be imported
    and where what it names does not fit.
    """
    found = {point.value: point for point in entry_points(group=group, name=name)}  # by what they name: no duplicates
    if not found:
        return None
    if len(found) > 1:
        raise UsageError(f"{group} {name!r} is claimed by {' and by '.join(sorted(found))}; uninstall one of them")
    (point,) = found.values()
    try:
        value = point.load()
    except Exception as error:  # a package may fail in any way when it is imported
        raise UsageError(
            f"{group} {name!r} cannot be imported from {point.value} ({error}); mend that package"
        ) from error
    if not fits(value):
        raise UsageError(f"{group} {name!r}: {point.value} does not fit there; mend that package")
    return value


def name_all(group: Group, own: Collection[str]) -> list[str]:
    """The tool's ``own`` names as they stand, then those that packages add."""
    return [*own, *(name for name in list_plugins(group) if name not in own)]
