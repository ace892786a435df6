"""FLIP, NVIDIA's model of what is seen where two pictures alternate (Andersson et al., 2020), by its own package."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceshield.evaluation.tint import shrink

DEGREE = 67.0
"""Pixels to a degree of sight: FLIP's own default, a 0.7 m wide 4K monitor at 0.7 m."""


def flip(a: NDArray[Any], b: NDArray[Any], face: float) -> float | None:
    """Mean FLIP error of ``b`` beside the original ``a`` at 100 %: 0 is the same, 1 black for white.

    Both (H, W, 3) RGB of one dtype, uint8 or uint16; ``face`` is the face's size in pixels. A large picture is averaged
    down to the noise canvas' scale and seen from as much nearer. None where the package flip-evaluator is not installed
    (``pip install 'faceshield[flip]'``; it has wheels for few machines).
    """
    if importlib.util.find_spec("flip_evaluator") is None:
        return None
    if not a.size or np.array_equal(a, b):
        return 0.0
    from flip_evaluator import evaluate

    reference, factor = shrink(a, face)
    test, _ = shrink(b, face)
    _, mean, _ = evaluate(reference, test, "LDR", applyMagma=False, parameters={"ppd": DEGREE / factor})
    return float(mean)
