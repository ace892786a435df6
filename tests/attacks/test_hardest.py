"""Counter-measures of the training itself: the hardest of several augmentations, and layers that stop one by one."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from faceshield.attacks.staged import SLOW, STAGED, jitter, slow_shallow
from faceshield.attacks.table import COUNTERMEASURES
from faceshield.attacks.ueraser import (
    POLICY,
    HardestOf,
    brighten_by_plasma,
    contrast_by_plasma,
    draw_plasma,
    shuffle_channels,
)
from faceshield.core.rng import generator
from faceshield.data.examples import Examples
from faceshield.training.loop import build_seeded, train
from faceshield.training.runtime import Runtime


@pytest.fixture
def images():
    return torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_each_picture_keeps_the_draw_of_its_largest_loss(images):
    weights = torch.randn(768, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(40) % 4
    forward = lambda x: x.flatten(1) @ weights  # noqa: E731
    chosen = HardestOf(POLICY, tries=4)(forward, images, labels, generator(7))
    rng = generator(7)
    draws = [POLICY(images, rng) for _ in range(4)]
    losses = torch.stack([F.cross_entropy(forward(x), labels, reduction="none") for x in draws])
    for number, best in enumerate(losses.argmax(0).tolist()):
        assert chosen[number].equal(draws[best][number])
    assert len(losses.argmax(0).unique()) > 1


def test_plasma_is_cloudy_and_fills_the_range(images):
    clouds = draw_plasma(images, generator(0))
    assert clouds.shape == (40, 1, 16, 16)
    assert clouds.amin((1, 2, 3)).abs().max() == 0
    torch.testing.assert_close(clouds.amax((1, 2, 3)), torch.ones(40))
    near = (clouds[..., 1:] - clouds[..., :-1]).abs().mean()
    far = (clouds[..., 8:] - clouds[..., :-8]).abs().mean()
    assert near < 0.6 * far


@pytest.mark.parametrize("change", [brighten_by_plasma, contrast_by_plasma, shuffle_channels])
def test_half_of_the_pictures_are_changed(images, change):
    made = change(images, generator(3))
    assert made.min() >= 0
    assert made.max() <= 1
    changed = (made != images).flatten(1).any(1)
    assert 10 <= changed.sum() <= 30
    if change is shuffle_channels:
        assert made.sort(1).values.equal(images.sort(1).values)


def test_jitter_takes_the_colour_of_a_half_and_changes_the_rest(images):
    stored = (images * 255).round().to(torch.uint8)
    made = jitter(stored, generator(1))
    grey = (made.float().amax(1) - made.float().amin(1)).flatten(1).amax(1) <= 1
    assert 10 <= grey.sum() <= 30
    assert (made != stored).flatten(1).any(1).all()
    assert made.dtype == STAGED(stored, generator(1)).dtype == torch.uint8


def test_shallow_layers_stop_first():
    depths = torch.linspace(0, 1, 6).tolist()
    ends = [max(t / 100 for t in range(101) if slow_shallow(depth, t / 100) == 1) for depth in depths]
    assert ends == sorted(ends)
    assert ends[0] == pytest.approx(0.1)
    assert ends[-1] == 1
    assert slow_shallow(0, 0.5) == SLOW


def test_a_pace_slows_the_layers_that_it_names():
    """A pace of 0 leaves the first layer where it was, and 1 everywhere is plain training."""
    images = (torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    data = Examples(images, torch.arange(16) % 2, tuple(map(str, range(16))), ("a", "b"))

    def fit(**options):
        network = build_seeded(
            lambda: torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2)
            ),
            0,
        )
        first = network[0].weight.detach().clone()
        train(network, data, Runtime.best("cpu", "float32"), epochs=2, seed=0, batch=8, **options)
        return first, network

    first, network = fit(pace=lambda depth, progress: 0.0 if depth < 0.4 else 1.0)
    assert network[0].weight.equal(first)
    assert not fit()[1][0].weight.equal(first)
    plain, paced = fit()[1], fit(pace=lambda depth, progress: 1.0)[1]
    assert all(a.equal(b) for a, b in zip(plain.parameters(), paced.parameters(), strict=True))


def test_the_table_hands_them_to_the_training():
    assert isinstance(COUNTERMEASURES["ueraser"].training()["adversary"], HardestOf)
    assert set(COUNTERMEASURES["staged-training"].training()) == {"augment", "pace"}
    assert isinstance(COUNTERMEASURES["jpeg-10"].pictures, partial)
