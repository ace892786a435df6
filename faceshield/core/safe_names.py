"""Names that others gave to files, in an archive or a store: which of them may become a path here."""

from __future__ import annotations

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""What Windows opens instead of a file of this name, whatever its suffix."""


def is_safe(name: str) -> bool:
    """Whether ``name``, parts joined by "/", stays below the folder that it is put into, on any system.

    False for an absolute name and one with an empty part, ``.``, ``..``, a backslash, a drive or the name of a device.
    """
    parts = name.split("/")
    return (
        {"", ".", ".."}.isdisjoint(parts)
        and "\\" not in name
        and ":" not in parts[0]
        and not any(part.split(".")[0].rstrip().lower() in _DEVICES for part in parts)
    )
