"""The processes of one job: which rows of a batch each computes, and how they exchange results.

Every process holds the whole network and all data, and draws the same random numbers for the whole batch; only the
computation is split by rows. All processes must call each method that communicates, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Generator, Tensor

from faceshield.core.rng import generator


@dataclass(frozen=True)
class Ranks:
    """``size`` processes, of which this one is number ``rank``; by default there is one, and nothing is sent."""

    rank: int = 0
    size: int = 1

    @property
    def rows(self) -> slice:
        """This process's rows of any batch: every ``size``-th row, since neighbouring rows are often of one class.

        The processes' counts of rows differ by one at most; a count is 0 where a batch has fewer rows than processes.
        """
        return slice(self.rank, None, self.size)

    def sum(self, mine: Tensor) -> Tensor:
        """The sum of ``mine`` (of one shape) over all processes, bit for bit the same in each; it is differentiable."""
        if self.size == 1:
            return mine
        total: Tensor = _Sum.apply(mine)
        return total

    def any(self, mine: bool, device: torch.device) -> bool:
        """Whether ``mine`` is True in at least one process; for decisions by the clock, which differs between them."""
        return mine if self.size == 1 else bool(self.sum(torch.tensor(float(mine), device=device)) > 0)

    def exchange(self, rows: Tensor) -> None:
        """Fill ``rows`` (n, …), in place: each process sends the rows it computed to all others."""
        for rank in range(self.size if self.size > 1 else 0):
            part = rows[rank :: self.size].contiguous()
            if len(part):
                dist.broadcast(part, rank)
                rows[rank :: self.size] = part

    def gather(self, mine: Tensor, count: int) -> Tensor:
        """(count, …): all processes' rows in the batch's order; ``mine`` are this process's. Not differentiable."""
        if self.size == 1:
            return mine
        whole = mine.new_empty(count, *mine.shape[1:])
        whole[self.rows] = mine
        self.exchange(whole)
        return whole

    def deal(self, call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """``call``, which maps each row of a batch alone, computed by all processes together. Not differentiable."""
        return lambda batch: self.gather(call(batch[self.rows]), len(batch))

    def fork_generator(self, common: Generator) -> Generator:
        """A generator for this process alone, seeded from ``common``; ``common`` itself if there is one process."""
        if self.size == 1:
            return common
        return generator(int(torch.randint(1 << 62, (), generator=common)), self.rank)

    def once(self, write: Callable[[], object]) -> None:
        """Call ``write()`` in process 0 only. All processes wait before it, so that none still reads, and after it."""
        if self.size > 1:
            dist.barrier()
        if self.rank == 0:
            write()
        if self.size > 1:
            dist.barrier()


ALONE = Ranks()


class _Sum(torch.autograd.Function):
    """All-reduce; its gradient is the all-reduce of the gradients, for each result depends on every process's input."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
