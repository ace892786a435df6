"""Mixtures of noises (Appendix F, Table 5): one of two for each example, Δ₁ ∨ Δ₂, and the sum of two, Δ₁ + Δᵤ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed, draw_uniform
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, NoiseMethod, OnRound

Bound = Literal["project", "sum"]


def choose(first: Noise, second: Noise, data: Examples, *, seed: int) -> Noise:
    """Sample-wise noise (n, 3, h, w): for each example of ``data`` the δ of one of two noises, by a coin from its id.

    Raises UsageError where the noises are of different sizes or budgets, StoreError where one lacks a key.
    """
    _refuse_unlike(first, second)
    if first.budget != second.budget:
        raise UsageError(f"the noises have budgets {first.budget} and {second.budget}; make both with the same")
    heads = draw_uniform(data.ids, 1, seed, "either")[:, 0] < 0.5
    delta = _look_up(first, data)
    delta[~heads] = _look_up(second, data.select(~heads))
    return Noise(delta, "sample", data.ids, first.budget, {**first.provenance, "method": "mix-either"})


def add(first: Noise, second: Noise, data: Examples, *, bound: Bound = "project") -> Noise:
    """δ₁ + δ₂, value by value: class-wise where both are, else sample-wise for the examples of ``data``.

    The paper does not say what becomes of ‖δ‖ ≤ ε. ``bound`` "project": the sum is projected to the first one's budget.
    "sum": it is left as it is, and its budget is as large as both together (at most the pixel range).
    Raises UsageError where the sizes or norms differ, StoreError where one lacks a key.
    """
    _refuse_unlike(first, second)
    if first.budget.norm != second.budget.norm:
        raise UsageError(f"the noises are bounded in {first.budget.norm} and {second.budget.norm}; use one norm")
    if bound not in ("project", "sum"):
        raise UsageError(f"bound {bound!r} is unknown; use 'project' or 'sum'")
    budget = first.budget
    if bound == "sum":
        total = first.budget.epsilon + second.budget.epsilon
        budget = Budget(min(1.0, total) if budget.norm == "linf" else total, budget.norm)
    provenance = {**first.provenance, "method": "mix-added", "bound": bound}
    if first.form == second.form == "class":
        whole = first.delta + second.for_batch(first.keys)
        return Noise(budget.project(whole), "class", first.keys, budget, provenance)
    whole = _look_up(first, data).add_(_look_up(second, data))
    return Noise(budget.project(whole), "sample", data.ids, budget, provenance)


def _look_up(noise: Noise, data: Examples) -> Tensor:
    """(n, 3, h, w): each example's δ, a copy, whatever the noise's form."""
    names = data.ids if noise.form == "sample" else [data.classes[label] for label in data.labels.tolist()]
    return noise.for_batch(names)


def _refuse_unlike(first: Noise, second: Noise) -> None:
    one, two = ((*noise.delta.shape[1:], noise.provenance.get("place")) for noise in (first, second))
    if one != two:
        raise UsageError(f"the noises are {one} and {two} (channels, height, width, place); both must be alike")


@dataclass(frozen=True)
class Either:
    """Δ₁ ∨ Δ₂: two methods, run one after the other with seeds of their own, then :func:`choose`.

    Both start from the surrogate as it was handed in, so that they differ by what their seeds draw; noises made on
    different surrogates are mixed by :func:`choose` itself.
    """

    first: NoiseMethod
    second: NoiseMethod

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by example ids. ``learner``'s network ends as the second method leaves it."""
        data = data.sort()
        one, two = _generate_both(self.first, self.second, data, learner, seed, on_round)
        return choose(one, two, data, seed=seed)


@dataclass(frozen=True)
class Added:
    """Δ₁ + Δᵤ: two methods, run as in :class:`Either`, then :func:`add`."""

    first: NoiseMethod
    second: NoiseMethod
    bound: Bound = "project"

    def generate(self, data: Examples, learner: Learner, *, seed: int, on_round: OnRound | None = None) -> Noise:
        """Noise keyed by class names where both methods' are, else by example ids."""
        data = data.sort()
        one, two = _generate_both(self.first, self.second, data, learner, seed, on_round)
        return add(one, two, data, bound=self.bound)


def _generate_both(
    first: NoiseMethod, second: NoiseMethod, data: Examples, learner: Learner, seed: int, on_round: OnRound | None
) -> tuple[Noise, Noise]:
    state = learner.state()
    one = first.generate(data, learner, seed=derive_seed(seed, "first"), on_round=on_round)
    learner.restore(state)
    return one, second.generate(data, learner, seed=derive_seed(seed, "second"), on_round=on_round)
