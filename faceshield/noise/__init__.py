"""Ways to make δ: ``from faceshield.noise import ErrorMin`` and its like, each imported at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceshield.noise.augmented import Augmented as Augmented
    from faceshield.noise.base import Learner as Learner
    from faceshield.noise.base import NoiseMethod as NoiseMethod
    from faceshield.noise.eq5 import Eq5 as Eq5
    from faceshield.noise.error_max import ErrorMax as ErrorMax
    from faceshield.noise.error_min import ErrorMin as ErrorMin
    from faceshield.noise.gray_aug import GrayAug as GrayAug
    from faceshield.noise.mix import Added as Added
    from faceshield.noise.mix import Either as Either
    from faceshield.noise.mix import add as add
    from faceshield.noise.mix import choose as choose
    from faceshield.noise.random import Random as Random
    from faceshield.noise.registry import build_method as build_method
    from faceshield.noise.robust import Robust as Robust
    from faceshield.noise.stable import Stable as Stable
    from faceshield.noise.targeted import Targeted as Targeted
    from faceshield.noise.universal import Universal as Universal

_WHERE = {
    "Added": "mix",
    "Augmented": "augmented",
    "Either": "mix",
    "Eq5": "eq5",
    "ErrorMax": "error_max",
    "ErrorMin": "error_min",
    "GrayAug": "gray_aug",
    "Learner": "base",
    "NoiseMethod": "base",
    "Random": "random",
    "Robust": "robust",
    "Stable": "stable",
    "Targeted": "targeted",
    "Universal": "universal",
    "add": "mix",
    "choose": "mix",
    "build_method": "registry",
}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'faceshield.noise' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"faceshield.noise.{_WHERE[name]}"), name)
