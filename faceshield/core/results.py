"""The schema of a result file: a cell's key, and the numbers that a recipe expects of its cells."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

Value = str | int | float | bool
Key = dict[str, Value]
Result = dict[str, Any]

STAND_IN = " in its place"  # between the data set that was read and its fingerprint, in a result's ``data``


class Near(BaseModel):
    """The other cells that an expectation compares with; the key may be a part of theirs, their mean is taken."""

    model_config = ConfigDict(extra="forbid")

    key: Key
    metric: str


class Expected(BaseModel):
    """A number to compare with: the paper's, or the bar that the claim sets.

    ``key`` names every cell that contains it; where these differ in other parts of their keys, each must meet the bar.
    ``without`` lists names that stand in none of these cells' keys: a matrix that grows another axis in some blocks
    only says so of its older bars.
    ``within`` is the largest distance from the paper's number or, with ``near``, from the mean of other cells.
    ``above`` and ``below`` bound that distance to one side only (0: no more, or no less, than the others have).
    """

    model_config = ConfigDict(extra="forbid")

    key: Key
    without: list[str] | None = None
    metric: str
    paper: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    within: float | None = None
    above: float | None = None
    below: float | None = None
    near: Near | None = None

    @model_validator(mode="after")
    def _whole(self) -> Expected:
        if self.within is not None and self.paper is None and self.near is None:
            raise ValueError("'within' needs 'paper' or 'near' to measure from")
        if self.near is not None and (self.within, self.above, self.below) == (None,) * 3:
            raise ValueError("'near' needs 'within', the largest distance, or 'above' or 'below', to one side")
        if self.near is None and (self.above, self.below) != (None, None):
            raise ValueError("'above' and 'below' need 'near', the cells to measure from")
        if (self.paper, self.at_most, self.at_least, self.near) == (None,) * 4:
            raise ValueError("nothing to compare with; give paper, at_most, at_least, or near and within")
        return self

    def covers(self, key: Key) -> bool:
        """Whether a cell of this key is one that the expectation is about."""
        return contains(key, self.key) and key.keys().isdisjoint(self.without or ())

    def subject(self) -> str:
        """The cells that it is about, as text."""
        return ", ".join([words(self.key), *(f"no {name}" for name in self.without or ())])


def contains(key: Key, part: Key) -> bool:
    """Whether every entry of ``part`` stands in ``key``."""
    return all(name in key and key[name] == value for name, value in part.items())


def words(key: Key) -> str:
    """A key as text: "none, form sample" (the noise's name speaks for itself)."""
    return ", ".join(str(value) if name == "noise" else f"{name} {value}" for name, value in key.items()) or "all"
