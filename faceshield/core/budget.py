"""ε and its projection: the one place that knows what "invisible" means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from faceshield.core.errors import UsageError

if TYPE_CHECKING:  # the command line reads ε without waiting for torch
    from torch import Tensor

Norm = Literal["linf", "l2"]
Look = Literal["natural", "balanced", "strong"]
"""How strong a person's noise is within ε; see ``noise.look``."""

_R_CR, _G_CB, _G_CR, _B_CB = 1.402, 0.344136, 0.714136, 1.772  # red, green and blue of Cb and Cr (BT.601, JPEG)


@dataclass(frozen=True)
class Budget:
    """A ball of radius ``epsilon`` (pixel values in [0, 1]) that δ must stay inside (paper §3.1).

    ``linf`` bounds every value; ``l2`` bounds the Euclidean length of one example's δ. With ``chroma``, a ``linf`` δ
    changes the colour differences Cb and Cr of JPEG's YCbCr by no more than that either: a tint shows long before a
    change of lightness does.
    """

    epsilon: float = 8 / 255
    norm: Norm = "linf"
    chroma: float | None = None

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise UsageError(f"norm {self.norm!r} is unknown; use 'linf' or 'l2'")
        if not math.isfinite(self.epsilon) or self.epsilon <= 0:
            raise UsageError(f"epsilon {self.epsilon} must be a positive number, for example 8/255")
        if self.chroma is not None and not (self.norm == "linf" and 0 <= self.chroma <= self.epsilon / 2):
            raise UsageError(f"chroma {self.chroma} is out of range; with linf use 0 to half of epsilon")
        if self.norm == "linf" and self.epsilon > 1:
            raise UsageError(
                f"epsilon {self.epsilon:g} is larger than the whole pixel range [0, 1]; "
                f"did you mean {self.epsilon:g}/255?"
            )

    def project(self, delta: Tensor) -> Tensor:
        """The nearest δ inside the ball. ``delta``: (N, …), pixel units in [0, 1]; shape is kept.

        With ``chroma`` ``delta`` is (…, 3, H, W) RGB, and the δ returned is not quite the nearest: lightness and colour
        are cut to their bounds first, then each value to ε, after which Cr may be a quarter above its bound.
        """
        if self.chroma is not None:
            luma, cb, cr = split_colour(delta)
            tint = _build_tint(cb.clamp(-self.chroma, self.chroma), cr.clamp(-self.chroma, self.chroma))
            light = luma.clamp(-self.epsilon, self.epsilon).unsqueeze(-3)
            inside: Tensor = (light + tint).clamp(-self.epsilon, self.epsilon)
            return inside
        if self.norm == "linf":
            return delta.clamp(-self.epsilon, self.epsilon)
        length = delta.flatten(1).norm(dim=1).clamp_min(1e-12)
        scale = (self.epsilon / length).clamp_max(1.0)
        scaled: Tensor = delta * scale.view(-1, *[1] * (delta.dim() - 1))
        return scaled

    def step(self, gradient: Tensor, alpha: float) -> Tensor:
        """Steepest-ascent step of size ``alpha``: sign for ``linf`` (Eq. 3), unit length for ``l2``.

        With ``chroma``: the signs along lightness, Cb and Cr, the latter two as much shorter as their bound is smaller.
        """
        if self.chroma is not None:
            red, green, blue = gradient.unbind(-3)
            share = alpha * self.chroma / self.epsilon
            cb, cr = ((-_G_CB * green + _B_CB * blue).sign() * share, (_R_CR * red - _G_CR * green).sign() * share)
            along: Tensor = gradient.sum(-3, keepdim=True).sign() * alpha + _build_tint(cb, cr)
            return along
        if self.norm == "linf":
            return gradient.sign().mul_(alpha)
        length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
        unit: Tensor = gradient / length.view(-1, *[1] * (gradient.dim() - 1))
        return alpha * unit


def split_colour(delta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Y, Cb and Cr (…, H, W) of RGB ``delta`` (…, 3, H, W), as JPEG has them."""
    red, green, blue = delta.unbind(-3)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, (blue - luma) / _B_CB, (red - luma) / _R_CR


def _build_tint(cb: Tensor, cr: Tensor) -> Tensor:
    """RGB (…, 3, H, W) of ``cb`` and ``cr`` alone."""
    import torch

    return torch.stack([_R_CR * cr, -_G_CB * cb - _G_CR * cr, _B_CB * cb], -3)


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
