"""L-BFGS for many small problems side by side (Nocedal and Wright, Algorithms 7.4 and 7.5).

``torch.optim.LBFGS`` on a batch takes it for one large problem: one curvature and one step length for all, so that an
example's answer depends on its neighbours. Here each has its own of both, and only the evaluations share a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], Tensor]
Pair = tuple[Tensor, Tensor, Tensor]  # s and y (N, D), 1 / s·y (N,), 0 where the pair is of no use

SUFFICIENT = 1e-4  # Armijo's constant
HALVINGS = 12


def lbfgs(
    objective: Objective, start: Tensor, *, steps: int, history: int = 10, tolerance: float = 1e-6
) -> tuple[Tensor, int]:
    """Minimise ``objective(x[index], index)``, the values (k,) of the problems ``index`` (k,), from ``start`` (N, …).

    Each problem takes up to ``steps`` steps along its own quasi-Newton direction from its last ``history`` pairs, of
    length 1 or the first half, quarter, … that lowers the value enough (Armijo). It is over when no part of its
    gradient is larger than ``tolerance``, or when no length helps. Returns the minima, shaped like ``start``, and the
    number of steps taken by all.
    """
    x = start.detach().flatten(1).clone()
    value, gradient = _evaluate(objective, x, torch.arange(len(x), device=x.device), start.shape)
    scale = (1 / gradient.abs().sum(1)).clamp_max(1)  # before there is a pair: a first step of length ≤ 1 in L1
    pairs: deque[Pair] = deque(maxlen=history)
    active = gradient.abs().amax(1) > tolerance
    taken = torch.zeros((), dtype=torch.long, device=x.device)
    for _ in range(steps):
        if not active.any():
            break
        taken += active.sum()
        direction = -_apply_inverse_hessian(gradient, pairs, scale)
        moved, new = _backtrack(objective, (x, value, gradient), direction, active, start.shape)
        s, y = new[0] - x, new[2] - gradient
        curvature = (s * y).sum(1)
        convex = curvature > 1e-10
        pairs.append((s, y, torch.where(convex, 1 / curvature.clamp_min(1e-10), 0)))
        scale = torch.where(convex, curvature / y.pow(2).sum(1).clamp_min(1e-20), scale)
        x, value, gradient = new
        active = active & moved & (gradient.abs().amax(1) > tolerance)
    return x.view(start.shape), int(taken)


def _evaluate(objective: Objective, x: Tensor, index: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Values (k,) and gradients (k, D) at ``x`` (k, D)."""
    point = x.view(len(x), *shape[1:]).requires_grad_(True)
    values = objective(point, index)
    (gradient,) = torch.autograd.grad(values.sum(), point)
    return values.detach(), gradient.flatten(1)


def _apply_inverse_hessian(gradient: Tensor, pairs: deque[Pair], scale: Tensor) -> Tensor:
    """(N, D): each gradient times its problem's approximate inverse Hessian (the two-loop recursion)."""
    q, weights = gradient.clone(), []
    for s, y, inverse in reversed(pairs):
        weight = (inverse * (s * q).sum(1))[:, None]
        q -= weight * y
        weights.append(weight)
    q *= scale[:, None]
    for (s, y, inverse), weight in zip(pairs, reversed(weights), strict=True):
        q += s * (weight - (inverse * (y * q).sum(1))[:, None])
    return q


def _backtrack(
    objective: Objective, old: tuple[Tensor, Tensor, Tensor], direction: Tensor, active: Tensor, shape: torch.Size
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Backtracking for the ``active`` problems: who moved (N,), and x, value and gradient there."""
    x, value, gradient = (tensor.clone() for tensor in old)
    slope = (direction * gradient).sum(1)
    moved = torch.zeros_like(active)
    pending = active.nonzero()[:, 0]
    for halving in range(HALVINGS):
        size = 0.5**halving
        trial = old[0][pending] + size * direction[pending]
        values, gradients = _evaluate(objective, trial, pending, shape)
        lower = values <= old[1][pending] + SUFFICIENT * size * slope[pending]
        index = pending[lower]
        x[index], value[index], gradient[index] = trial.detach()[lower], values[lower], gradients[lower]
        moved[index] = True
        pending = pending[~lower]
        if not len(pending):
            break
    return moved, (x, value, gradient)
