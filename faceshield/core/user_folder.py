"""Where this user's data of faceshield lies: FACESHIELD_HOME, else the platform's folder for a user's data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import user_data_path

APP = "faceshield"


def user_folder() -> Path:
    """FACESHIELD_HOME if it is set, else :func:`platformdirs.user_data_path`.

    A folder that an earlier version made elsewhere is used as long as the platform's folder does not exist, so that no
    identity is lost. Nothing is created.
    """
    chosen = os.environ.get("FACESHIELD_HOME")
    if chosen:
        return Path(chosen).expanduser()
    folder = user_data_path(APP, appauthor=False, roaming=True)
    earlier = _earlier_folder()
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def _earlier_folder() -> Path:
    """Where versions before platformdirs kept it.

    It differs on macOS where XDG_DATA_HOME is set, and elsewhere where that is no absolute path.
    """
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / APP
    if os.name == "nt":
        return Path(os.environ.get("APPDATA", home / "AppData" / "Roaming")) / APP
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / APP
