"""Autoregressive perturbations (AR): each value follows from its neighbours by a rule of the class. No network.

Sandoval-Segura, Singla, Geiping, Goldblum, Goldstein and Jacobs, "Autoregressive Perturbations for Data Poisoning",
NeurIPS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import draw_normal, generator
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound

WINDOW = 3
TRIALS, TRIED_AT_ONCE = 3, 512


@dataclass(frozen=True)
class Autoregressive:
    """x_t = β_1 x_(t−1) + … + β_8 x_(t−8), over the other 8 places of a 3 × 3 window whose last one is t.

    A class has a rule for each channel: 8 coefficients, standard normal and divided by their sum. It is kept if its
    noise stays even (the largest value is ``largest`` times the root mean square, or little more), and if the rules of
    a channel stay apart: one class's filter answers to another's noise, at root mean square 1, by ``apart`` on average,
    or the most below that which so many rules can have; to its own noise it answers 0. The start is an example's own
    (in the form "class" its class's); it is cut off, with the rest of the first ``margin`` rows and columns. Each
    channel is scaled to the root mean square ``share`` · ε, which keeps its rule, and cut at ε, which breaks it there.

    The paper has the form "sample", a like search that bounds the largest value alone, and no ε: its δ has the length
    1, which for 32 pixels is a share of 0.575 of ε = 8/255. Costs 8 products a value: seconds for 10,000 pictures.
    """

    form: Form = "sample"
    budget: Budget = field(default_factory=Budget)
    share: float = 0.575
    largest: float = 2.5
    apart: float = 2.0
    margin: int = 4

    def __post_init__(self) -> None:
        if self.budget.norm != "linf":
            raise UsageError(f"norm {self.budget.norm!r} does not bound a channel's largest value; use 'linf'")
        if self.margin < WINDOW - 1:
            raise UsageError(f"margin {self.margin} must be {WINDOW - 1} at least, the width of the start")

    def generate(
        self, data: Examples, learner: Learner | None = None, *, seed: int, on_round: OnRound | None = None
    ) -> Noise:
        """Noise keyed by class names or example ids; ``provenance["coefficients"]`` (classes, 3, 8) are the rules.

        ``learner`` and ``on_round`` are not used.
        """
        data = data.sort()
        size = (data.images.shape[2] + self.margin, data.images.shape[3] + self.margin)
        rules = self.find_rules(len(data.classes), size, generator(seed, "ar"))
        keys = data.classes if self.form == "class" else data.ids
        labels = torch.arange(len(keys)) if self.form == "class" else data.labels
        count = 3 * count_start(size)
        delta = torch.empty(len(keys), 3, *data.images.shape[2:])
        for part in torch.arange(len(keys)).split(2048):
            start = draw_normal([keys[i] for i in part.tolist()], count, seed, "ar", self.form).double()
            made = roll_out(rules[labels[part]].flatten(0, 1), start.view(-1, count // 3), size)
            made = made[:, self.margin :, self.margin :]
            made *= self.share * self.budget.epsilon / made.square().mean((1, 2), keepdim=True).sqrt()
            delta[part] = self.budget.project(made.view(len(part), 3, *made.shape[1:])).float()
        return Noise(delta, self.form, keys, self.budget, {"method": "ar", "coefficients": rules.tolist()})

    def find_rules(self, classes: int, size: tuple[int, int], rng: Generator) -> Tensor:
        """(``classes``, 3, 8) float64 coefficients of noise of ``size`` (height, width)."""
        rules, noises = self._draw_stable(max(256, classes * 16), size, rng)
        answers = _measure_answers(rules, noises)
        answers = torch.minimum(answers, answers.T)
        apart, channels = self.apart, list[Tensor]()
        while len(channels) < 3:
            kept = list[int]()
            for number in torch.randperm(len(rules), generator=rng).tolist():
                if len(kept) < classes and (answers[number, kept] >= apart).all():
                    kept.append(number)
            if len(kept) == classes:
                channels.append(rules[kept])
            else:
                apart *= 0.9
        return torch.stack(channels, 1)

    def _draw_stable(self, count: int, size: tuple[int, int], rng: Generator) -> tuple[Tensor, Tensor]:
        """``count`` rules (count, 8) that stay even, and a noise of each at root mean square 1."""
        rules, noises, largest = list[Tensor](), list[Tensor](), self.largest
        while sum(len(part) for part in rules) < count:
            drawn = torch.randn(TRIED_AT_ONCE, WINDOW**2 - 1, generator=rng, dtype=torch.float64)
            drawn = drawn / drawn.sum(1, keepdim=True)
            start = torch.randn(TRIED_AT_ONCE * TRIALS, count_start(size), generator=rng, dtype=torch.float64)
            made = roll_out(drawn.repeat_interleave(TRIALS, 0), start, size)[:, self.margin :, self.margin :]
            length = made.square().mean((1, 2)).sqrt()
            stable = (made.abs().amax((1, 2)) <= largest * length).view(-1, TRIALS).all(1)  # False for NaN too
            largest *= 1.02  # large pictures have few rules that neither fade nor grow
            rules.append(drawn[stable])
            noises.append(made[::TRIALS][stable])
        all_noises = torch.cat(noises)[:count]
        return torch.cat(rules)[:count], all_noises / all_noises.square().mean((1, 2), keepdim=True).sqrt()


def count_start(size: tuple[int, int]) -> int:
    """The number of values of the first rows and columns, which no rule gives."""
    return size[0] * size[1] - (size[0] - WINDOW + 1) * (size[1] - WINDOW + 1)


def roll_out(rules: Tensor, start: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, height, width): planes that begin with the values of ``start`` (n, :func:`count_start`) in the first two rows
    and columns and follow ``rules`` (n, 8) from there, row by row.
    """
    height, width = size
    edge = WINDOW - 1
    plane = torch.empty(height, width, len(rules), dtype=rules.dtype)  # a place's values lie together
    first, left = start.T.split([edge * width, count_start(size) - edge * width])
    plane[:edge] = first.view(edge, width, -1)
    plane[edge:, :edge] = left.reshape(height - edge, edge, -1)
    weights = rules.T.contiguous()
    for y in range(edge, height):
        for x in range(edge, width):
            window = plane[y - edge : y + 1, x - edge : x + 1].flatten(0, 1)[:-1]
            torch.sum(weights * window, 0, out=plane[y, x])
    return plane.permute(2, 0, 1)


def measure_residual(rules: Tensor, planes: Tensor) -> Tensor:
    """(n, k, height − 2, width − 2): how far the values of ``planes`` (n, height, width) are from what each of
    ``rules`` (k, 8) makes of their neighbours.
    """
    filters = torch.cat([-rules, rules.new_ones(len(rules), 1)], 1).view(-1, 1, WINDOW, WINDOW)
    return F.conv2d(planes[:, None], filters)


def _measure_answers(rules: Tensor, noises: Tensor) -> Tensor:
    """(n, k) mean answers of the filters of ``rules`` (k, 8) to ``noises`` (n, height, width)."""
    return torch.cat([measure_residual(rules, part).abs().mean((2, 3)) for part in noises.split(16)])
