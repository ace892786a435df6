"""Pictures plus noise, against the sum written out for each pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable

CLASSES = ("ant", "bee", "cow")


def examples(count=12, size=(5, 4), seed=0):
    rng = np.random.default_rng(seed)
    # half of the pixels at or near the ends, where the sum saturates
    pixels = np.where(rng.random((count, 3, *size)) < 0.5, rng.choice([0, 1, 254, 255]), rng.integers(0, 256))
    pixels = np.where(rng.random(pixels.shape) < 0.5, pixels, rng.integers(0, 256, pixels.shape)).astype(np.uint8)
    ids = tuple(f"id{i:02d}" for i in rng.permutation(count))
    return Examples(torch.from_numpy(pixels), torch.from_numpy(rng.integers(0, 3, count)), ids, CLASSES)


def noise(keys, form="sample", size=(5, 4), epsilon=8 / 255, seed=0, **provenance):
    rng = torch.Generator().manual_seed(seed)
    delta = ((torch.rand(len(keys), 3, *size, generator=rng) * 2.4 - 1.2) * epsilon).clamp(-epsilon, epsilon)
    return Noise(delta, form, list(keys), Budget(epsilon), provenance)


def reordered(data, order):
    order = torch.tensor(order)
    ids = tuple(data.ids[i] for i in order.tolist())
    return Examples(data.images[order], data.labels[order], ids, data.classes)


def by_id(data):
    return {id: image.tolist() for id, image in zip(data.ids, data.images, strict=True)}


@pytest.mark.parametrize("form", ["sample", "class"])
def test_the_sum_of_each_pixel_signed_rounded_once_and_saturating(form):
    data = examples()
    added = noise(sorted(data.ids) if form == "sample" else CLASSES[::-1], form)
    out = unlearnable(data, added)
    delta = dict(zip(added.keys, added.delta.tolist(), strict=True))
    for i, id in enumerate(data.ids):
        own = delta[id if form == "sample" else CLASSES[int(data.labels[i])]]
        before, after = data.images[i].flatten().tolist(), out.images[i].flatten().tolist()
        for x, d, y in zip(before, np.ravel(own).tolist(), after, strict=True):
            assert y == min(255, max(0, x + round(d * 255)))  # Python's round is to even, as ours
    assert (out.ids, out.classes) == (data.ids, data.classes)
    assert out.labels.equal(data.labels)
    assert bool((out.images < data.images).any())  # the negative half is there
    assert bool((out.images > data.images).any())


@given(st.floats(0.5, 40), st.integers(0, 5), st.sampled_from(["paper", "released-code"]))
def test_no_pixel_changes_by_more_than_epsilon_in_whole_levels(levels, seed, variant):
    data = examples(seed=seed)
    out = unlearnable(data, noise(data.ids, epsilon=levels / 255, seed=seed), variant=variant)
    change = (out.images.int() - data.images.int()).abs()
    assert int(change.max()) <= math.floor(levels + 1e-6)


@given(st.integers(0, 255), st.floats(-8 / 255, 8 / 255))
def test_torchs_rounding_gives_the_same_bytes(pixel, value):
    data = Examples(torch.full((1, 3, 1, 1), pixel, dtype=torch.uint8), torch.tensor([0]), ("a",), ("x",))
    delta = torch.full((1, 3, 1, 1), value)
    levels = (delta * 255).round()
    expected = (data.images + levels).clamp(0, 255).to(torch.uint8)
    assert unlearnable(data, Noise(delta, "sample", ["a"], Budget())).images.equal(expected)


@given(st.permutations(range(12)), st.sampled_from([(5, 4), (2, 3)]), st.integers(0, 20))
def test_the_order_of_the_files_does_not_matter(order, size, place_seed):
    data = examples()
    added = noise(data.ids, size=size, place="random")
    out = unlearnable(data, added, place_seed=place_seed)
    again = unlearnable(reordered(data, order), added, place_seed=place_seed)
    assert by_id(again) == by_id(out)


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_what_is_not_in_the_mask_stays_and_needs_no_noise(chosen):
    data, mask = examples(), torch.tensor(chosen)
    before = data.images.clone()
    ids = [id for id, own in zip(data.ids, chosen, strict=True) if own]
    everywhere = unlearnable(data, noise(data.ids))
    all_rows = dict(zip(data.ids, noise(data.ids).delta, strict=True))
    delta = torch.stack([all_rows[id] for id in ids]) if ids else torch.zeros(0, 3, 5, 4)
    out = unlearnable(data, Noise(delta, "sample", ids, Budget()), mask)
    assert out.images[~mask].equal(data.images[~mask])
    assert out.images[mask].equal(everywhere.images[mask])
    assert data.images.equal(before)


def test_a_large_set_is_done_in_parts(monkeypatch):
    data = examples()
    for size in ((5, 4), (3, 2)):
        added = noise(CLASSES, "class", size=size, place="random")
        monkeypatch.setattr("faceshield.data.unlearnable._CHUNK", 2048)
        whole = unlearnable(data, added)
        monkeypatch.setattr("faceshield.data.unlearnable._CHUNK", 5)
        assert unlearnable(data, added).images.equal(whole.images)


def test_a_patch_lies_whole_at_every_place_it_can():
    count, patch = 600, torch.full((1, 3, 3, 2), 4 / 255)
    ids = tuple(str(i) for i in range(count))
    data = Examples(torch.full((count, 3, 5, 4), 100, dtype=torch.uint8), torch.zeros(count).long(), ids, ("x",))
    out = unlearnable(data, Noise(patch, "class", ["x"], Budget(), {"place": "random"}))
    seen = {}
    for image in out.images:
        changed = (image[0] == 104).nonzero()
        top, left = changed.min(0).values.tolist()
        assert len(changed) == 6
        assert bool((image[:, top : top + 3, left : left + 2] == 104).all())
        assert int((image != 100).sum()) == 18
        seen[top, left] = seen.get((top, left), 0) + 1
    assert set(seen) == {(row, column) for row in range(3) for column in range(3)}
    assert min(seen.values()) > 600 / 9 / 2
    other = unlearnable(data, Noise(patch, "class", ["x"], Budget(), {"place": "random"}), place_seed=1)
    assert not other.images.equal(out.images)


def test_the_released_code_deletes_the_negative_half_and_truncates():
    data = Examples(torch.full((1, 3, 2, 2), 250, dtype=torch.uint8), torch.tensor([0]), ("a",), ("x",))
    delta = torch.tensor([-7.0, 3.9, 8.0, 7.2]).view(1, 1, 2, 2).expand(1, 3, 2, 2) / 255
    added = Noise(delta, "sample", ["a"], Budget())
    assert unlearnable(data, added).images[0, 0].flatten().tolist() == [243, 254, 255, 255]
    assert unlearnable(data, added, variant="released-code").images[0, 0].flatten().tolist() == [250, 253, 255, 255]


@given(st.integers(0, 200))
def test_the_released_code_is_its_own_arithmetic(seed):
    data = examples(seed=seed)
    added = noise(data.ids, epsilon=16 / 255, seed=seed)
    stored = added.delta.mul(255).clamp(0, 255).numpy()
    expected = np.clip(data.images.numpy().astype(np.float32) + stored, 0, 255).astype(np.uint8)
    assert (unlearnable(data, added, variant="released-code").images.numpy() == expected).all()


def test_noise_for_other_data_is_named():
    data = examples()
    with pytest.raises(StoreError, match=f"no entry '{data.ids[-1]}'"):
        unlearnable(data, noise(data.ids[:-1]))
    with pytest.raises(StoreError, match="no entry 'bee'"):
        unlearnable(data, noise(("ant", "cow"), "class"), data.labels == 1)
    with pytest.raises(UsageError, match="noise is 3×8×8, the pictures are 3×5×4"):
        unlearnable(data, noise(data.ids, size=(8, 8)))
    with pytest.raises(UsageError, match=r"noise is 3×2×2, .*place 'random'"):
        unlearnable(data, noise(data.ids, size=(2, 2)))
    with pytest.raises(UsageError, match="noise is 3×6×4"):
        unlearnable(data, noise(data.ids, size=(6, 4), place="random"))
    with pytest.raises(UsageError, match="placed 'centre'"):
        unlearnable(data, noise(data.ids, place="centre"))
    with pytest.raises(UsageError, match="variant 'positive' is unknown"):
        unlearnable(data, noise(data.ids), variant="positive")
    for mask in (torch.ones(11, dtype=torch.bool), torch.ones(12)):
        with pytest.raises(UsageError, match=r"the data needs \(12,\) bool"):
            unlearnable(data, noise(data.ids), mask)
