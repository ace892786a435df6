"""Settings of noise methods by one word: the paper's own, faster ones, or those of the authors' program."""

from __future__ import annotations

import difflib
from typing import Any, Literal, get_args

from faceshield.core.errors import UsageError
from faceshield.core.types import Form
from faceshield.noise.registry import AT_ONCE, TRAINED

Setting = Literal["paper", "fast", "released-code"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)


def find_preset(setting: str, noise: str, form: Form, epsilon: float) -> dict[str, Any]:
    """Settings of a noise method by the name of the ``setting``; ε in [0, 1].

    "paper": nothing beside the paper's own. "released-code": the authors' program's, for error-minimizing noise.
    "fast": fewer steps of sample-wise error-min: five of 2·α in a pass (which still crosses ε); measured against the
    paper's in recipes/benchmarks/noise.py.
    Raises UsageError for another name.
    """
    if setting not in SETTINGS:
        near = difflib.get_close_matches(setting, SETTINGS, 1, 0)[0]
        raise UsageError(f"setting {setting!r} is unknown; use {', '.join(SETTINGS)}; did you mean {near!r}?")
    if setting == "released-code" and noise not in AT_ONCE | TRAINED:
        return {"variant": "released-code"}
    if setting == "fast" and (noise, form) == ("error-min", "sample"):
        return {"steps": 5, "alpha": epsilon / 5}
    return {}
