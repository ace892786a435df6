"""Noise on a patch: cutting and pasting against slices, and a class pass against one by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from noise_samples import EPSILON, fresh, network, pictures, shuffled

from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.data.unlearnable import unlearnable
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.patch import cut, draw_places, paste, spread

PATCH = ErrorMin(patch=(4, 3), fit_steps=4, rounds=4, batch=8, subset=0.5, stop_error=-1.0)


def at(image, place, size):
    (top, left), (height, width) = place, size
    return image[:, top : top + height, left : left + width]


@st.composite
def laid(draw):
    """A picture's size, a patch's that fits, and a seed."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return (height, width), (draw(st.integers(1, height)), draw(st.integers(1, width))), draw(st.integers(0, 999))


@given(laid())
def test_cutting_and_pasting_are_slices(case):
    picture, patch, seed = case
    rng = torch.Generator().manual_seed(seed)
    images, patches = torch.rand(4, 3, *picture, generator=rng), torch.rand(4, 3, *patch, generator=rng)
    kept = images.clone()
    places = draw_places(4, picture, patch, rng)
    pasted, taken, alone = paste(images, patches, places), cut(images, places, patch), spread(patches, places, picture)
    expected = images.clone()
    for i, place in enumerate(places.tolist()):
        assert taken[i].equal(at(images[i], place, patch))
        at(expected[i], place, patch).copy_(patches[i])
    assert pasted.equal(expected)
    assert images.equal(kept)
    assert cut(alone, places, patch).equal(patches)
    assert int((alone != 0).sum()) <= patches.numel()
    assert paste(images, taken, places).equal(images)


def test_gradients_go_to_the_patch_where_it_lies_and_to_the_picture_elsewhere():
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 7, 5, generator=rng).requires_grad_(True)
    patches = torch.rand(3, 3, 2, 4, generator=rng).requires_grad_(True)
    weight = torch.rand(3, 3, 7, 5, generator=rng)
    places = draw_places(3, (7, 5), (2, 4), rng)
    (paste(images, patches, places) * weight).sum().backward()
    assert patches.grad.equal(cut(weight, places, (2, 4)))
    assert images.grad.equal(paste(weight, torch.zeros_like(patches), places))


def test_every_place_is_as_likely_as_any_other():
    places = draw_places(12_000, (5, 4), (3, 2), torch.Generator().manual_seed(0))
    counts = torch.bincount(places[:, 0] * 3 + places[:, 1], minlength=9)
    assert len(counts) == 9
    assert (counts - 12_000 / 9).abs().max() < 5 * (12_000 / 9) ** 0.5


@pytest.mark.parametrize("patch", [(9, 3), (3, 9), (0, 3)])
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(UsageError, match=rf"patch of {patch[0]}×{patch[1]} pixels does not fit in pictures of 8×8"):
        replace(PATCH, patch=patch).generate(pictures(), fresh(), seed=0)


def test_a_patch_of_the_whole_picture_is_the_picture():
    """The places are drawn from the generator, so that only without fitting and shuffling are the two runs the same."""
    data = pictures()
    method = replace(PATCH, patch=None, fit_steps=0, rounds=1, subset=1.0, batch=100)
    whole = method.generate(data, fresh(), seed=0)
    noise = replace(method, patch=(8, 8)).generate(data, fresh(), seed=0)
    torch.testing.assert_close(noise.delta, whole.delta, rtol=0, atol=1e-6)


@pytest.mark.parametrize("update", ["mean", "sequential"])
def test_a_step_moves_delta_by_the_gradient_at_its_place(update):
    """By hand, one example a class; the places are told by a view that compares with the clean pictures."""
    data = pictures(3, 1)
    model, seen = network().eval(), []
    method = replace(PATCH, fit_steps=0, rounds=2, subset=1.0, update=update, view=lambda x, _: seen.append(x) or x)
    learner = replace(fresh(), model=model, frozen=model.eval)
    noise = method.generate(data, learner, seed=0)
    rng = generator(0, "error-min", "class")
    clean, delta = data.images.float() / 255, torch.zeros(3, 3, 4, 3)
    for _ in range(2):
        order = torch.randperm(3, generator=rng)
        index = order if update == "mean" else torch.arange(3)
        places = draw_places(3, (8, 8), (4, 3), rng)
        for i, place in zip(index.tolist(), places.tolist(), strict=True):
            x = clean[i].clone()
            under = at(clean[i], place, (4, 3))
            moved = under + delta[i]
            at(x, place, (4, 3)).copy_(moved.clamp(0, 1))
            x = x[None].requires_grad_(True)
            F.cross_entropy(model(x), data.labels[i : i + 1]).backward()
            free = (moved >= 0) & (moved <= 1)
            delta[i] = (delta[i] - EPSILON / 10 * torch.sign(at(x.grad[0], place, (4, 3)) * free)).clamp(
                -EPSILON, EPSILON
            )
            if update == "mean":
                delta[i] = (under + delta[i]).clamp(0, 1) - under
        draw_places(3, (8, 8), (4, 3), rng)  # those of the error
    assert ((noise.delta - delta).abs() < 1e-6).float().mean() >= 0.97
    assert seen[0].shape == (3, 3, 8, 8)


@pytest.mark.parametrize("patch", [(4, 3), (1, 8), (5, 5)])
def test_patch_noise_is_made_kept_in_bounds_and_applied(patch):
    data = pictures()
    method = replace(PATCH, patch=patch)
    noise = method.generate(data, fresh(), seed=0)
    assert noise.delta.shape == (3, 3, *patch)
    assert 0 < noise.delta.abs().max() <= EPSILON + 1e-7
    assert noise.provenance["place"] == "random"
    assert method.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    changed = unlearnable(data, noise).images != data.images
    assert changed.any((1, 2, 3)).all()
    assert changed.flatten(1).sum(1).max() <= 3 * patch[0] * patch[1]
