"""faceshield: error-minimizing noise for personal photos (Huang et al., ICLR 2021).

    from faceshield import Options, cloak
    report = cloak("selfies", "cloaked", Options(identity="me"))
    print(len(report.having("cloaked")), "of", len(report.photos))

``cloak`` and its dataclasses are imported at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceshield.cloaking.options import Options as Options
    from faceshield.cloaking.report import CloakReport as CloakReport
    from faceshield.cloaking.report import FaceReport as FaceReport
    from faceshield.cloaking.report import PhotoReport as PhotoReport
    from faceshield.cloaking.run import cloak as cloak

__version__ = "0.1.0"
__all__ = ["CloakReport", "FaceReport", "Options", "PhotoReport", "__version__", "cloak"]

_WHERE = {
    "CloakReport": "faceshield.cloaking.report",
    "FaceReport": "faceshield.cloaking.report",
    "Options": "faceshield.cloaking.options",
    "PhotoReport": "faceshield.cloaking.report",
    "cloak": "faceshield.cloaking.run",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'faceshield' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
