"""SGD, and its learning rate at each step as a pure function: a resumed run has no schedule to restore."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import nn
from torch.optim import SGD, Optimizer

from faceshield.core.errors import UsageError

Schedule = Literal["one-cycle", "cosine", "steps"]

Pace = Callable[[float, float], float]
"""``pace(depth, progress)``: the factor of a parameter's rate, both from 0 to 1: depth is 0 next to the picture and 1
at the logits, progress the share of the training that is over."""

MOMENTUM = 0.9
RISE = 0.2  # the fraction of a one-cycle run in which the rate rises


def sgd(
    model: nn.Module,
    *,
    lr: float,
    momentum: float = MOMENTUM,
    weight_decay: float = 5e-4,
    nesterov: bool = False,
    apart: bool = False,
) -> SGD:
    """SGD over all of the model's parameters, with ``apart`` each in a group of its own, in their order.

    Raises UsageError for a negative, infinite or NaN rate or decay.
    """
    if not (math.isfinite(lr) and lr > 0):
        raise UsageError(f"learning rate {lr} must be a positive number, for example 0.1")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise UsageError(f"weight decay {weight_decay} must be 0 or more, for example 5e-4")
    groups = [{"params": [one]} for one in model.parameters()] if apart else model.parameters()
    return SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)


def rate(
    schedule: Schedule, step: int, steps: int, *, lr: float, milestones: Sequence[int] = ()
) -> tuple[float, float]:
    """(learning rate, momentum) of step ``step`` of ``steps``, counted from 0.

    "one-cycle" (Smith & Topin, 2018): from lr/25 up to ``lr`` and down to nothing, momentum 0.95 → 0.85 → 0.95;
    "cosine": from ``lr`` to nothing without restart, the paper's (appendix B); "steps": a tenth from each of
    ``milestones`` (in steps) on. Raises UsageError for another schedule.
    """
    if schedule == "one-cycle":
        top = RISE * steps - 1
        if step <= top:
            share = step / top if top else 1.0
            return _anneal(lr / 25, lr, share), _anneal(0.95, 0.85, share)
        down = (step - top) / (steps - 1 - top)
        return _anneal(lr, lr / 25 / 1e4, down), _anneal(0.85, 0.95, down)
    if schedule == "cosine":
        return _anneal(lr, 0.0, step / steps), MOMENTUM
    if schedule == "steps":
        return lr * 0.1 ** sum(step >= milestone for milestone in milestones), MOMENTUM
    raise UsageError(f"schedule {schedule!r} is unknown; use {', '.join(get_args(Schedule))}")


def set_rate(
    optimizer: Optimizer, values: tuple[float, float], pace: Pace | None = None, progress: float = 0.0
) -> None:
    """Give all parameter groups this (learning rate, momentum) for the next step, the rate by ``pace`` if given."""
    last = max(1, len(optimizer.param_groups) - 1)
    for number, group in enumerate(optimizer.param_groups):
        lr, group["momentum"] = values
        group["lr"] = lr if pace is None else lr * pace(number / last, progress)


def _anneal(start: float, end: float, share: float) -> float:
    """From ``start`` (share 0) to ``end`` (share 1) along half a cosine."""
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
