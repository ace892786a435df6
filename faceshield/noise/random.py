"""Random noise: the baseline of §4.1, uniform in [−ε, ε] for each class or each example."""

from __future__ import annotations

from dataclasses import dataclass, field

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import draw_uniform
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound


@dataclass(frozen=True)
class Random:
    """δ uniform in [−ε, ε], drawn from the seed and the class's name or the example's id alone.

    A key's δ is the same whatever other keys there are. Needs no network.
    """

    form: Form = "sample"
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if self.form not in ("sample", "class"):
            raise UsageError(f"form {self.form!r} is unknown; use 'sample' or 'class'")
        if self.budget.norm != "linf":
            raise UsageError(f"norm {self.budget.norm!r} has no box [−ε, ε] to draw from; use 'linf'")

    def generate(
        self, data: Examples, learner: Learner | None = None, *, seed: int, on_round: OnRound | None = None
    ) -> Noise:
        """Noise keyed by class names or example ids. ``learner`` and ``on_round`` are not used."""
        data = data.sort()
        keys = data.classes if self.form == "class" else data.ids
        shape = data.images.shape[1:]
        drawn = draw_uniform(keys, shape.numel(), seed, "random", self.form)
        delta = drawn.mul_(2).sub_(1).mul_(self.budget.epsilon).view(len(keys), *shape)
        return Noise(delta, self.form, keys, self.budget, {"method": "random"})
