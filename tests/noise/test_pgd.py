"""The step loop against a loop written by hand and against foolbox."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from faceshield.core.budget import Budget
from faceshield.noise.pgd import pgd

EPSILON, ALPHA = 8 / 255, 2 / 255


@pytest.fixture
def network():
    """A small network in eval mode whose parameters ask for gradients, as in training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(54, 5)
        )
    return layers.eval()


@pytest.fixture
def images():
    """(4, 3, 12, 12) with black and white areas, where clamping shows."""
    x = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.3
    return x.clamp(0, 1)


LABELS = torch.tensor([0, 1, 2, 3])


def error(network, labels=LABELS):
    return lambda x: F.cross_entropy(network(x), labels, reduction="sum")


def by_hand(images, delta, network, labels, steps, sign):
    """Eq. 3 step by step, the gradient taken at the clamped picture and zero where the clamp cuts."""
    for _ in range(steps):
        moved = images + delta
        x = moved.clamp(0, 1).requires_grad_(True)
        F.cross_entropy(network(x), labels, reduction="sum").backward()
        inside = (moved >= 0) & (moved <= 1)
        delta = delta + sign * ALPHA * torch.sign(x.grad * inside)
        delta = delta.clamp(-EPSILON, EPSILON)
        delta = (images + delta).clamp(0, 1) - images
    return delta


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_agrees_with_a_loop_by_hand(network, images, sign, steps):
    start = (torch.rand(images.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1) * EPSILON
    ours = pgd(images, start, error(network), Budget(EPSILON), steps=steps, alpha=ALPHA, sign=sign)
    torch.testing.assert_close(ours, by_hand(images, start, network, LABELS, steps, sign), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("norm", "epsilon", "alpha"), [("linf", EPSILON, ALPHA), ("l2", 0.8, 0.15)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_agrees_with_foolbox(network, images, norm, epsilon, alpha, sign):
    foolbox = pytest.importorskip("foolbox", reason="foolbox (extra dev) is not installed")
    attack = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    wrapped = foolbox.PyTorchModel(network.requires_grad_(False), bounds=(0, 1), device="cpu")
    criterion = foolbox.criteria.Misclassification(LABELS)
    if sign == -1:
        criterion = foolbox.criteria.TargetedMisclassification(LABELS)
    run = attack(abs_stepsize=alpha, steps=10, random_start=False)
    theirs, _, _ = run(wrapped, images, criterion, epsilons=epsilon)
    ours = pgd(
        images, torch.zeros_like(images), error(network), Budget(epsilon, norm), steps=10, alpha=alpha, sign=sign
    )
    assert ours.abs().max() > alpha / 10
    torch.testing.assert_close(images + ours, theirs, rtol=0, atol=2e-6)


def test_minimising_lowers_and_maximising_raises_the_loss(network, images):
    loss = error(network)
    start = torch.zeros_like(images)
    least, most = (pgd(images, start, loss, Budget(EPSILON), steps=10, alpha=ALPHA, sign=sign) for sign in (-1, 1))
    with torch.no_grad():
        assert loss(images + least) < loss(images) - 0.05
        assert loss(images + most) > loss(images) + 0.05


def test_only_delta_gets_a_gradient_and_nothing_given_is_changed(network, images):
    start = torch.full_like(images, 0.01)
    kept = images.clone(), start.clone(), {name: value.clone() for name, value in network.state_dict().items()}
    made = pgd(images, start, error(network), Budget(EPSILON), steps=2, alpha=ALPHA, sign=-1)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not made.requires_grad
    assert made.grad_fn is None
    assert images.equal(kept[0])
    assert start.equal(kept[1])
    assert not start.requires_grad
    for name, value in network.state_dict().items():
        assert value.equal(kept[2][name])


def test_own_deltas_keep_the_pictures_in_range(network, images):
    made = pgd(images, torch.zeros_like(images), error(network), Budget(0.5), steps=4, alpha=0.3, sign=1)
    assert (images + made).min() >= 0
    assert (images + made).max() <= 1
    assert made.abs().max() <= 0.5


def test_a_shared_delta_takes_the_sum_of_the_gradients(network, images):
    start = torch.zeros(1, 3, 12, 12)
    total = torch.zeros_like(start)
    for image, label in zip(images, LABELS, strict=True):
        x = image[None].clone().requires_grad_(True)
        F.cross_entropy(network(x), label[None]).backward()
        total += x.grad  # a picture at 0 or 1 can still move inwards, so that nothing is cut here
    made = pgd(images, start, error(network), Budget(EPSILON), steps=1, alpha=ALPHA, sign=-1)
    assert made.shape == start.shape
    torch.testing.assert_close(made, -ALPHA * total.sign(), rtol=0, atol=1e-7)


def test_a_shared_delta_is_not_cut_to_one_pictures_range(network):
    white = torch.ones(3, 3, 12, 12)
    start = torch.full((1, 3, 12, 12), EPSILON)
    made = pgd(white, start, error(network, LABELS[:3]), Budget(EPSILON), steps=1, alpha=0.0, sign=-1)
    assert made.equal(start)


def test_a_view_is_drawn_anew_each_step_from_the_generator_given(network, images):
    drawn = []

    def view(x, generator):
        drawn.append(float(torch.rand(1, generator=generator)))
        return x * drawn[-1]

    for _ in range(2):
        seeded = torch.Generator().manual_seed(4)
        pgd(
            images,
            torch.zeros_like(images),
            error(network),
            Budget(),
            steps=3,
            alpha=ALPHA,
            sign=-1,
            transform=view,
            generator=seeded,
        )
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3
    with pytest.raises(AssertionError, match="needs a generator"):
        pgd(images, torch.zeros_like(images), error(network), Budget(), steps=1, alpha=ALPHA, sign=-1, transform=view)


def test_a_shape_comes_before_the_budget(network, images):
    made = pgd(
        images * 0 + 0.5, torch.zeros_like(images), error(network), Budget(EPSILON), steps=1, alpha=ALPHA, sign=-1,
        shape=lambda delta: delta * 100,
    )  # fmt: skip
    reached = made.abs()
    assert ((reached == 0) | ((reached - EPSILON).abs() < 1e-6)).all()
    assert (reached > 0).float().mean() > 0.9
