"""A person's noise: made from a random secret on their own photos, kept on this machine, reused unchanged.

One δ a person is a linkable mark: anyone who knows δ can find that person's cloaked photos. The noises of the bank are
public; a private δ starts from a secret that never leaves the machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from faceshield.core.budget import Budget
from faceshield.core.rng import derive_seed, generator
from faceshield.noise.band import amplify, keep_pattern
from faceshield.noise.base import Forward
from faceshield.noise.pgd import Transform, pgd

Kind = Literal["private", "bank"]
SUITABLE = 0.2  # nats that a person's class may be above the best one
START = 16  # random values along each side of the secret start
GAIN = 1.4
"""With more, δ lies at its bound nearly everywhere, and the steps between show."""


@dataclass(frozen=True)
class Identity:
    """A person's noise and how it was made.

    Attributes:
        name: What the person calls it.
        kind: "private", or "bank" for a public noise of the bank.
        delta: (3, S, S) float32 in [−ε, ε].
        epsilon: ε in [0, 1].
        class_index: The surrogates' class that ``delta`` leads to, which is its place in the bank.
        secret: Hexadecimal text that all of it is drawn from.
        photos: How many photos it was made from.
        created: Date and time, ISO 8601.
        surrogate: The surrogates' names.
        bank_correlation: The highest correlation with a noise of the bank.
    """

    name: str
    kind: Kind
    delta: Tensor
    epsilon: float
    class_index: int
    secret: str
    photos: int
    created: str
    surrogate: str
    bank_correlation: float


def draw_secret() -> str:
    """128 random bits from the operating system, as hexadecimal text."""
    return secrets.token_hex(16)


def bound_lightness(epsilon: float = 8 / 255) -> Budget:
    """The budget of a person's noise: within ``epsilon`` and equal in all channels.

    Such noise is the same without colour, and people see a change of colour long before one of lightness.
    """
    return Budget(epsilon, chroma=0.0)


def choose_class(secret: str, classes: int) -> int:
    """The one of ``classes`` that a secret chooses."""
    return derive_seed(secret, "slot", 0) % classes


def make_private_noise(
    crops: Tensor,
    bank: Tensor,
    forward: Forward,
    budget: Budget,
    transform: Transform,
    secret: str,
    *,
    steps: int = 60,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, int]:
    """A person's noise and its class: of those that suit their face, the secret's choice.

    Where the surrogates hardly find a class on somebody's face, that class's noise protects little: a recogniser
    trained on it learned the face. So the classes are taken whose noises of the ``bank`` (K, 3, S, S) have losses on
    the ``crops`` within :data:`SUITABLE` of the lowest; where several have, not everybody gets the best one, which
    keeps people apart. See :func:`fit_private_delta`.
    """
    losses = [
        measure_mean_loss(crops, delta, number, forward, transform, secret)
        for number, delta in enumerate(bank.to(crops.device))
    ]
    suitable = [number for number, loss in enumerate(losses) if loss <= min(losses) + SUITABLE]
    chosen = suitable[choose_class(secret, len(suitable))]
    return fit_private_delta(crops, chosen, forward, budget, transform, secret, steps=steps, on_step=on_step), chosen


@torch.no_grad()
def measure_mean_loss(
    crops: Tensor, delta: Tensor, class_index: int, forward: Forward, transform: Transform, secret: str
) -> float:
    """Mean cross-entropy towards ``class_index`` of up to 64 ``crops`` (n, 3, S, S) uint8 with ``delta``, each under
    one random transform.
    """
    rng = generator(secret, "loss")
    faces = (crops[:64].float() / 255 + delta).clamp(0, 1)
    return float(measure_pattern_loss(forward, class_index, transform, faces, rng))


def measure_pattern_loss(
    forward: Forward, class_index: int, transform: Transform, faces: Tensor, rng: Generator
) -> Tensor:
    """Mean cross-entropy towards ``class_index`` of ``faces`` (n, 3, S, S) in [0, 1], each under one ``transform``.

    Low where a noise of the class shows. With its first three arguments it is a mask's ``pattern_loss``.
    """
    label = torch.full((len(faces),), class_index, device=faces.device)
    return F.nll_loss(forward(transform(faces, rng)), label)


def fit_private_delta(
    crops: Tensor,
    class_index: int,
    forward: Forward,
    budget: Budget,
    transform: Transform,
    secret: str,
    *,
    steps: int = 60,
    batch: int = 12,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The inner minimisation of Eq. 2 for one person, from a secret start, towards the label ``class_index``.

    crops (n, 3, S, S) uint8 RGB, the person's own aligned faces; ``forward`` gives the frozen surrogates'
    log-probabilities of the classes. Each of ``steps`` signed steps takes the mean gradient over ``batch`` crops, each
    under its own random transform; the step size falls linearly so that δ settles. δ and its start are kept in one band
    (``noise.band``): a start outside it would fade and leave no secret. ``on_step(done, steps)`` is called after each.

    Returns δ (3, S, S). Equal arguments give equal bytes on one machine.
    """
    rng = generator(secret, "delta")
    device, size = crops.device, crops.shape[-1]
    coarse = (2 * torch.rand(1, 3, START, START, generator=rng) - 1).mul(2 * budget.epsilon)
    start = F.interpolate(coarse, (size, size), mode="bilinear", align_corners=False).to(device)
    delta = budget.project(keep_pattern(start))
    label = torch.full((batch,), class_index, device=device)
    for step in range(steps):
        index = torch.randint(len(crops), (batch,), generator=rng).to(device)
        delta = pgd(
            crops[index].float() / 255,
            delta,
            lambda x: F.nll_loss(forward(x), label),
            budget,
            steps=1,
            alpha=budget.epsilon * (0.25 - 0.225 * step / steps),
            sign=-1,
            transform=transform,
            generator=rng,
            shape=keep_pattern,
        )
        if on_step is not None:
            on_step(step + 1, steps)
    return amplify(delta, budget, GAIN)[0]


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of two δ of one shape."""
    x, y = a.flatten() - a.mean(), b.flatten() - b.mean()
    return float(x @ y / (x.norm() * y.norm()).clamp_min(1e-12))
