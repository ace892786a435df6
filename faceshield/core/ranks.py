"""The processes of one job: which rows of a batch each computes, and how all come to hold the same numbers.

Every process holds the whole network and all data, and draws the same random numbers: what is random is drawn for the
whole batch, and only the work on it is shared. A method that sends or waits must be reached by all processes.
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
    """``size`` processes, of which this one is number ``rank``; by default it is alone, and nothing is sent."""

    rank: int = 0
    size: int = 1

    @property
    def rows(self) -> slice:
        """This process's rows of any batch: they are dealt out in turn, since neighbours are often of one class.

        Shares differ by one row at most, and are empty where a batch has fewer rows than there are processes.
        """
        return slice(self.rank, None, self.size)

    def sum(self, mine: Tensor) -> Tensor:
        """The sum of all processes' ``own`` (of one shape), the same bits in each; gradients come back through it."""
        if self.size == 1:
            return mine
        total: Tensor = _Sum.apply(mine)
        return total

    def any(self, mine: bool, device: torch.device) -> bool:
        """Whether it is so in one of the processes at least: what their clocks say, they must decide together."""
        return mine if self.size == 1 else bool(self.sum(torch.tensor(float(mine), device=device)) > 0)

    def exchange(self, rows: Tensor) -> None:
        """Send this process's share of ``rows`` (n, …) to all others and take theirs, in place."""
        for rank in range(self.size if self.size > 1 else 0):
            part = rows[rank :: self.size].contiguous()
            if len(part):
                dist.broadcast(part, rank)
                rows[rank :: self.size] = part

    def gather(self, mine: Tensor, count: int) -> Tensor:
        """(count, …): the rows of all processes' shares in their order, from this one's ``own``; no gradient."""
        if self.size == 1:
            return mine
        whole = mine.new_empty(count, *mine.shape[1:])
        whole[self.rows] = mine
        self.exchange(whole)
        return whole

    def deal(self, call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """``call``, which maps the rows of a batch one by one, with the rows dealt out; no gradient."""
        return lambda batch: self.gather(call(batch[self.rows]), len(batch))

    def fork_generator(self, common: Generator) -> Generator:
        """For draws that are no other process's: ``common`` itself where this one is alone, else one seeded from it."""
        if self.size == 1:
            return common
        return generator(int(torch.randint(1 << 62, (), generator=common)), self.rank)

    def once(self, write: Callable[[], object]) -> None:
        """``write()`` in process 0 alone, after all have come (none still looks for the file), before any goes on."""
        if self.size > 1:
            dist.barrier()
        if self.rank == 0:
            write()
        if self.size > 1:
            dist.barrier()


ALONE = Ranks()


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is the all-reduce of the gradients: each process's result depends on every input."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
