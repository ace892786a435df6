"""What the sections of an audit's page are made of: a line of a table, a share in words, a drawing as text."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # matplotlib takes seconds that only a finished run should pay
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """One line of a table: what was asked, and each column's share with its interval."""

    name: str
    cells: tuple[str, ...]


def format_cell(metrics: Mapping[str, Any], name: str) -> str:
    """The share ``told[name]`` and its interval ``<name>_ci`` as a table has them."""
    low, high = metrics[f"{name}_ci"]
    return f"{metrics[name]:.1%} ({low:.0%}–{high:.0%})"


def word_verdict(before: Sequence[float], after: Sequence[float]) -> str:
    """What two intervals (low, high) of a rate say of the cloak, in words."""
    if after[1] < before[0]:
        return "The cloak lowered that."
    if after[0] > before[1]:
        return "That is more than without a cloak."
    return "The intervals overlap: this test does not tell the two apart."


def embed_png(png: bytes) -> str:
    """A picture as the base64 text that a page holds."""
    return base64.b64encode(png).decode()


def render_png(drawing: Figure) -> bytes:
    """The drawing as PNG; the same drawing gives the same bytes."""
    data = io.BytesIO()
    drawing.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()
