"""Linearly separable perturbations (LSP): coarse blocks of colour, a Gaussian cluster a class. No network is needed.

Yu, Zhang, Chen, Yin and Liu, "Availability Attacks Create Shortcuts", KDD 2022, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import draw_normal, generator
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples
from faceshield.noise.base import Learner, OnRound


@dataclass(frozen=True)
class LinearlySeparable:
    """δ = Π_ε(ε · z / s), each value of z laid over ``block`` × ``block`` pixels of one channel.

    A class y has the vertex c_y of the cube {−s, s}^d, one of its own, with d = 3 · ⌈H / block⌉ · ⌈W / block⌉. In the
    form "sample", the paper's, z = c_y + A_y g, with A_y uniform in [−1, 1]^(d × d) and g standard normal, an example's
    own: scikit-learn's ``make_classification``. In the form "class" z = c_y, so that every value is ε or −ε.

    The paper's blocks of 8 pixels and s = 10 are the defaults; it bounds δ by its length, not by ε, so that its blocks
    are not all equally strong. Costs a pass of random numbers: a second for 10,000 pictures of 32 pixels.
    """

    form: Form = "sample"
    budget: Budget = field(default_factory=Budget)
    block: int = 8
    separation: float = 10.0  # s: half the distance of two classes along each value in which they differ

    def __post_init__(self) -> None:
        if self.budget.norm != "linf":
            raise UsageError(f"norm {self.budget.norm!r} does not bound blocks of one value; use 'linf'")
        if self.block < 1 or not self.separation > 0:
            raise UsageError(f"block {self.block} and separation {self.separation} must be positive")

    def generate(
        self, data: Examples, learner: Learner | None = None, *, seed: int, on_round: OnRound | None = None
    ) -> Noise:
        """Noise keyed by class names or example ids. ``learner`` and ``on_round`` are not used.

        Raises UsageError where the pictures have too few blocks for the number of classes.
        """
        data = data.sort()
        height, width = data.images.shape[2:]
        rows, columns = -(-height // self.block), -(-width // self.block)
        size, rng = 3 * rows * columns, generator(seed, "lsp")
        values = self.separation * _draw_vertices(len(data.classes), size, rng)
        if self.form == "sample":
            mixing = torch.rand(len(data.classes), size, size, generator=rng) * 2 - 1
            own = draw_normal(data.ids, size, seed, "lsp")
            spread = torch.empty_like(own)
            for label in range(len(data.classes)):
                spread[data.labels == label] = own[data.labels == label] @ mixing[label]
            values = values[data.labels] + spread
        coarse = self.budget.project(values.view(-1, 3, rows, columns) * (self.budget.epsilon / self.separation))
        fine = coarse.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)[..., :height, :width]
        keys = data.classes if self.form == "class" else data.ids
        return Noise(fine.contiguous(), self.form, keys, self.budget, {"method": "lsp"})


def _draw_vertices(count: int, size: int, rng: Generator) -> Tensor:
    """(count, size) of −1 and 1, no two rows alike."""
    if size < 63 and 2**size < count:
        raise UsageError(f"{size} blocks make {2**size} patterns, too few for {count} classes; use a smaller block")
    while True:
        drawn = torch.randint(2, (count, size), generator=rng)
        if len(drawn.unique(dim=0)) == count:
            return drawn.float() * 2 - 1
        if size <= 16:  # where vertices are few, most draws would have two alike
            chosen = torch.randperm(2**size, generator=rng)[:count, None]
            return ((chosen >> torch.arange(size)) & 1).float() * 2 - 1
