"""ε and its projection: the one place that knows what "invisible" means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from faceshield.core.errors import UsageError

if TYPE_CHECKING:  # the command line reads ε without waiting for torch
    from torch import Tensor

Norm = Literal["linf", "l2"]


@dataclass(frozen=True)
class Budget:
    """A ball of radius ``epsilon`` (pixel values in [0, 1]) that δ must stay inside (paper §3.1).

    ``linf`` bounds every value; ``l2`` bounds the Euclidean length of one example's δ.
    """

    epsilon: float = 8 / 255
    norm: Norm = "linf"

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise UsageError(f"norm {self.norm!r} is unknown; use 'linf' or 'l2'")
        if not math.isfinite(self.epsilon) or self.epsilon <= 0:
            raise UsageError(f"epsilon {self.epsilon} must be a positive number, for example 8/255")
        if self.norm == "linf" and self.epsilon > 1:
            raise UsageError(
                f"epsilon {self.epsilon:g} is larger than the whole pixel range [0, 1]; "
                f"did you mean {self.epsilon:g}/255?"
            )

    def project(self, delta: Tensor) -> Tensor:
        """The nearest δ inside the ball. ``delta``: (N, …), pixel units in [0, 1]; shape is kept."""
        if self.norm == "linf":
            return delta.clamp(-self.epsilon, self.epsilon)
        length = delta.flatten(1).norm(dim=1).clamp_min(1e-12)
        scale = (self.epsilon / length).clamp_max(1.0)
        scaled: Tensor = delta * scale.view(-1, *[1] * (delta.dim() - 1))
        return scaled

    def step(self, gradient: Tensor, alpha: float) -> Tensor:
        """Steepest-ascent step of size ``alpha``: sign for ``linf`` (Eq. 3), unit length for ``l2``."""
        if self.norm == "linf":
            return gradient.sign().mul_(alpha)
        length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
        unit: Tensor = gradient / length.view(-1, *[1] * (gradient.dim() - 1))
        return alpha * unit


def parse_epsilon(text: str) -> float:
    """``"8/255"`` or ``"0.03"`` to a number in (0, 1].

    Raises UsageError for anything else; a bare ``8`` is answered with the likely meaning, 8/255.
    """
    try:
        head, slash, tail = text.strip().partition("/")
        value = float(head) / float(tail) if slash else float(head)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"epsilon {text!r} is not a number; write it as 8/255 or 0.0314") from None
    return Budget(value).epsilon


def format_epsilon(epsilon: float) -> str:
    """``8/255`` where it is a whole number of 8-bit levels, else four digits."""
    levels = epsilon * 255
    return f"{round(levels)}/255" if abs(levels - round(levels)) < 1e-6 else f"{epsilon:.4f}"
