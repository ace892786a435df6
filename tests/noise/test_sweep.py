"""A pass of steps over many examples: the same as each example's own loop, and no step for those that need none."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from noise_samples import EPSILON, network, pictures

from faceshield.core.budget import Budget
from faceshield.noise.base import add_noise, add_rounded, find_misclassified
from faceshield.noise.pgd import pgd
from faceshield.noise.sweep import split_by_class, sweep

ALPHA = EPSILON / 4


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def model():
    return network().eval().requires_grad_(False)


def losses_of(model):
    return lambda x, y: F.cross_entropy(model(x), y, reduction="none")


def swept(data, model, *, sign=-1, **settings):
    delta = torch.zeros(data.images.shape)
    settings = {"steps": 4, "batch": 5, **settings}
    taken = sweep(
        data.images, data.labels, delta, losses_of(model), Budget(EPSILON), alpha=ALPHA, sign=sign, **settings
    )
    return delta, taken


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("batch", [1, 5, 100])
def test_it_is_the_step_loop_for_each_example(data, model, sign, batch):
    delta, taken = swept(data, model, sign=sign, batch=batch)
    assert taken == 4 * len(data)
    expected = pgd(
        data.images.float() / 255, torch.zeros(data.images.shape), lambda x: losses_of(model)(x, data.labels),
        Budget(EPSILON), steps=4, alpha=ALPHA, sign=sign,
    )  # fmt: skip
    assert ((delta - expected).abs() < 1e-6).float().mean() >= 0.999


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("batch", [3, 24])
def test_who_has_reached_the_threshold_stops_there(data, model, sign, batch):
    """Each example alone, step by step: it stops before the first step from a δ that has reached it."""
    clean = losses_of(model)(data.images.float() / 255, data.labels)
    threshold = float(clean.quantile(0.5)) + sign * 0.03
    delta, taken = swept(data, model, sign=sign, loss_threshold=threshold, steps=6, batch=batch)
    expected, needed, evaluated = [], 0, 0
    for image, label in zip(data.images.float() / 255, data.labels, strict=True):
        own = torch.zeros_like(image)[None]
        for number in range(6):
            loss = losses_of(model)(image + own, label[None])
            if sign * (threshold - loss) <= 0:
                evaluated += number > 0  # it was in a batch once more before it was seen to be over
                break
            own = pgd(
                image[None], own, lambda x, y=label[None]: losses_of(model)(x, y), Budget(EPSILON),
                steps=1, alpha=ALPHA, sign=sign,
            )  # fmt: skip
            needed += 1
        expected.append(own[0])
    assert ((delta - torch.stack(expected)).abs() < 1e-6).float().mean() >= 0.999
    assert taken == needed + evaluated
    assert 0 < needed < 6 * len(data)


def test_no_step_is_no_change(data, model):
    assert swept(data, model, steps=0)[1] == 0
    delta, taken = swept(data, model, loss_threshold=100.0)
    assert taken == 0
    assert (delta == 0).all()


def test_batches_stay_full_while_examples_wait(data, model):
    seen = []

    def losses(x, y):
        if torch.is_grad_enabled():
            seen.append(len(x))
        return losses_of(model)(x, y)

    clean = losses_of(model)(data.images.float() / 255, data.labels)
    delta = torch.zeros(data.images.shape)
    sweep(
        data.images, data.labels, delta, losses, Budget(EPSILON), steps=5, alpha=ALPHA, sign=-1, batch=4,
        loss_threshold=float(clean.median()) - 0.02,
    )  # fmt: skip
    short = [size for size in seen if size < 4]
    assert len(seen) > 5
    assert seen[-len(short) :] == short or not short, "short batches come last only"


def test_a_view_needs_a_generator_and_is_drawn_for_the_first_look_too(data, model):
    looks = []

    def view(x, generator):
        looks.append(float(torch.rand(1, generator=generator)))
        return x

    swept(
        data, model, loss_threshold=0.0, steps=1, batch=24, transform=view, generator=torch.Generator().manual_seed(0)
    )
    assert len(looks) == 2
    with pytest.raises(AssertionError, match="needs a generator"):
        swept(data, model, loss_threshold=0.0, transform=view)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.randoms())
def test_batches_of_one_of_each_keep_every_classs_order(labels, random):
    labels = torch.tensor(labels)
    chosen = list(range(len(labels)))
    random.shuffle(chosen)
    batches = [batch.tolist() for batch in split_by_class(torch.tensor(chosen), labels)]
    assert all(len({int(labels[i]) for i in batch}) == len(batch) for batch in batches)
    for label in labels.unique().tolist():
        assert [i for batch in batches for i in batch if labels[i] == label] == [
            i for i in chosen if labels[i] == label
        ]
    assert len(batches) == int(torch.bincount(labels).max())


def test_who_is_misclassified(data, model):
    clean = data.images.float() / 255
    expected = model(clean).argmax(1) != data.labels
    assert 0 < int(expected.sum()) < len(data)
    chosen = torch.tensor([5, 3, 20, 11])
    for batch in (1, 3, 50):
        assert find_misclassified(chosen, data.labels, lambda i: clean[i], model, batch).equal(expected[chosen])


def test_noisy_pictures_stay_in_range():
    pixels = torch.tensor([0, 128, 255], dtype=torch.uint8)
    assert add_noise(pixels, torch.tensor([-0.1, 0.1, 0.1])).tolist() == pytest.approx([0, 128 / 255 + 0.1, 1])


def test_bytes_get_whole_levels_and_saturate():
    pixels = torch.tensor([[0, 3, 100, 252, 255, 9]], dtype=torch.uint8)
    delta = torch.tensor([-8.0, -3.4, 0.6, 8.0, -8.0, 2.5]) / 255
    assert add_rounded(pixels, delta).tolist() == [[0, 0, 101, 255, 247, 11]]
