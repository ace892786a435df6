"""faceshield: error-minimizing noise for personal photos (Huang et al., ICLR 2021).

    from faceshield import Options, cloak
    report = cloak("selfies", "cloaked", Options(identity="me"))
    print(len(report.select("cloaked")), "of", len(report.photos))

Everything named in ``__all__`` is imported at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceshield.api.batch import error_max as error_max
    from faceshield.api.batch import error_min as error_min
    from faceshield.api.datasets import ErrorMin as ErrorMin
    from faceshield.api.datasets import Unlearnable as Unlearnable
    from faceshield.api.faces import detect as detect
    from faceshield.api.faces import evaluate_verification as evaluate_verification
    from faceshield.cloaking.options import Options as Options
    from faceshield.cloaking.report import CloakReport as CloakReport
    from faceshield.cloaking.report import FaceReport as FaceReport
    from faceshield.cloaking.report import PhotoReport as PhotoReport
    from faceshield.cloaking.run import cloak as cloak
    from faceshield.core.types import Face as Face
    from faceshield.core.types import Noise as Noise
    from faceshield.evaluation.roc import Roc as Roc
    from faceshield.evaluation.roc import roc as roc

__version__ = "0.1.0"

_WHERE = {
    "CloakReport": "faceshield.cloaking.report",
    "ErrorMin": "faceshield.api.datasets",
    "Face": "faceshield.core.types",
    "FaceReport": "faceshield.cloaking.report",
    "Noise": "faceshield.core.types",
    "Options": "faceshield.cloaking.options",
    "PhotoReport": "faceshield.cloaking.report",
    "Roc": "faceshield.evaluation.roc",
    "Unlearnable": "faceshield.api.datasets",
    "cloak": "faceshield.cloaking.run",
    "detect": "faceshield.api.faces",
    "error_max": "faceshield.api.batch",
    "error_min": "faceshield.api.batch",
    "evaluate_verification": "faceshield.api.faces",
    "roc": "faceshield.evaluation.roc",
}
__all__ = [*_WHERE, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'faceshield' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
