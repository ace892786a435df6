"""D-VAE: an autoencoder that may tell little of a picture leaves noise out; what it leaves out is taken off by class.

Yu, Wang, Xia, Yang, Lu, Tan and Kot, "Purify Unlearnable Examples via Rate-Constrained Variational Autoencoders",
ICML 2024.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from faceshield.attacks.base import Pairs
from faceshield.data.examples import Examples
from faceshield.training.loop import build_seeded

ROUGH, FINE = 1.0, 3.0
"""The most of the two stages' rates, nats a value of the code."""
STEPS, BATCH = 1000, 64
"""Of each stage. The paper trains a larger network for 60 epochs, some 23,000 steps."""


class DisentanglingVae(nn.Module):
    """x̂ = D(z) and p̂ = D_p(z′) + u_y, z ~ N(μ(x), σ(x)²) at a quarter of the side, u_y learned for each class y.

    z′ is z without its gradient: what D_p wants must not pass through the code. u_y has the ``size`` (height, width) of
    the pictures, so that a few steps find a class's noise; the paper's enters D_p with the code.
    """

    def __init__(self, classes: int, size: tuple[int, int], width: int = 16, code: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * code, 3, padding=1),
        )  # fmt: skip
        self.decoder = _build_decoder(code, width)
        self.noise_decoder = _build_decoder(code, width)
        self.embedding = nn.Parameter(torch.zeros(classes, 3, *size))

    def forward(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """x̂ and p̂ of ``images`` (N, 3, H, W) in [0, 1], and the rate (N,), nats a value of the code."""
        mean, spread = self.encoder(images * 2 - 1).chunk(2, 1)
        spread = spread.clamp(-8, 4)
        drawn = torch.randn(mean.shape, generator=generator).to(mean.device)
        code = mean + (spread / 2).exp() * drawn
        rate = 0.5 * (mean.square() + spread.exp() - spread - 1).mean((1, 2, 3))
        noise = self.noise_decoder(code.detach()) * 0.1 + self.embedding[labels]
        return self.decoder(code).sigmoid(), noise, rate


def _build_decoder(code: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(code, 2 * width, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(width, 3, 4, 2, 1),
    )  # fmt: skip


def fit_dvae(data: Examples, rate: float, generator: Generator, *, steps: int = STEPS) -> DisentanglingVae:
    """A D-VAE of ``data`` by Adam: ‖x − x̂‖² + ‖x − x̂ − p̂‖² + D·max(KL, ``rate``), D = 3·H·W.

    x̂ is fixed in the second term, so that it is not drawn towards p̂.
    """
    seed = int(torch.randint(2**31, (1,), generator=generator))
    size = (data.images.shape[2], data.images.shape[3])
    network = build_seeded(lambda: DisentanglingVae(len(data.classes), size), seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        index = torch.randint(len(data), (BATCH,), generator=generator)
        x, labels = data.images[index].float() / 255, data.labels[index]
        seen, noise, cost = network(x, labels, generator)
        error = (x - seen).square().flatten(1).sum(1)
        rest = (x - seen.detach() - noise).square().flatten(1).sum(1)
        excess = (cost - rate).clamp_min(0)
        optimizer.zero_grad()
        (error + rest + x[0].numel() * excess).mean().backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def disentangle(training: Examples, pairs: Pairs, generator: Generator, *, steps: int = STEPS) -> Examples:
    """``training`` (N, 3, H, W) uint8, sides of whole quarters, purified in two stages; ``pairs`` are not used.

    x − p̂ of a D-VAE at the rate :data:`ROUGH`, then of one of these pictures at :data:`FINE`. (The paper trains on what
    the last stage's decoder draws; at this size of network that would blur the test's detail away.)
    """
    for rate in (ROUGH, FINE):
        network = fit_dvae(training, rate, generator, steps=steps)
        training = replace(training, images=_subtract(network, training, generator))
    return training


@torch.no_grad()
def _subtract(network: DisentanglingVae, data: Examples, generator: Generator) -> Tensor:
    parts = []
    for index in torch.arange(len(data)).split(256):
        x = data.images[index].float() / 255
        _, noise, _ = network(x, data.labels[index], generator)
        parts.append((x - noise).clamp(0, 1).mul(255).round().to(torch.uint8))
    return torch.cat(parts)
