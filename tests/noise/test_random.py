"""Random noise: uniform, and each key's own whatever the others are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from noise_samples import EPSILON, pictures, shuffled

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed, draw_uniform
from faceshield.noise.random import Random

KEYS = st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=6)


def splitmix(seed):
    """SplitMix64 as published (Steele, Lea and Flood 2014), with Python's whole numbers."""
    mask = (1 << 64) - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def test_the_reference_is_splitmix():
    """The first outputs for seed 0 of Vigna's splitmix64.c."""
    stream = splitmix(0)
    assert [next(stream) for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(KEYS, st.integers(0, 2**70), st.integers(1, 9))
def test_values_are_splitmixs_upper_bits(keys, seed, count):
    values = draw_uniform(keys, count, seed)
    for row, key in zip(values.tolist(), keys, strict=True):
        stream = splitmix(derive_seed(seed, key))
        assert row == [((next(stream) >> 41) + 0.5) / 2**23 for _ in range(count)]


@given(KEYS, st.randoms())
def test_a_keys_values_depend_on_no_other_key_and_on_no_order(keys, random):
    values = dict(zip(keys, draw_uniform(keys, 5, 0), strict=True))
    random.shuffle(keys)
    some = keys[: len(keys) // 2 + 1]
    for key, row in zip(some, draw_uniform(some, 3, 0), strict=True):
        assert row.equal(values[key][:3])


def kolmogorov_smirnov(values):
    """√n times the largest distance between the values' distribution and the uniform one; above 1.95 once in 1,000."""
    ordered, n = values.double().flatten().sort().values, values.numel()
    steps = torch.arange(n + 1).double() / n
    return float(torch.max(steps[1:] - ordered, ordered - steps[:-1]).max()) * n**0.5


def test_values_are_uniform_within_and_across_keys():
    values = draw_uniform([f"class/{i}" for i in range(200)], 1000, 7)
    assert values.min() > 0
    assert values.max() < 1
    for part in (values, values[0], values[:, 0], values[:, -1]):
        assert kolmogorov_smirnov(part) < 1.95
    assert kolmogorov_smirnov(values * 0.98) > 1.95
    flat = values.flatten()
    for one, two in ((flat[:-1], flat[1:]), (values[0], values[1]), (values[:, 0], values[:, 1])):
        correlation = float(torch.corrcoef(torch.stack([one, two]))[0, 1])
        assert abs(correlation) < 3.5 / len(one) ** 0.5


def test_chunks_leave_no_seam(monkeypatch):
    keys = [str(i) for i in range(10)]
    whole = draw_uniform(keys, 7, "seed")
    monkeypatch.setattr("faceshield.core.rng.CHUNK", 20)
    assert draw_uniform(keys, 7, "seed").equal(whole)
    assert draw_uniform(keys, 50, "seed")[:, :7].equal(whole)


def test_nothing_asked_for_is_nothing():
    assert draw_uniform([], 4).shape == (0, 4)
    assert draw_uniform(["a"], 0).shape == (1, 0)


@pytest.mark.parametrize("form", ["class", "sample"])
def test_noise_fills_the_box_and_belongs_to_its_key(form):
    data = pictures(3, 40)
    noise = Random(form, Budget(EPSILON)).generate(data, seed=0)
    assert noise.form == form
    assert tuple(noise.keys) == (data.classes if form == "class" else data.ids)
    assert noise.delta.shape == (len(noise.keys), 3, 8, 8)
    assert 0.95 * EPSILON < noise.delta.abs().max() <= EPSILON
    assert noise.delta.mean().abs() < EPSILON / 10
    again = Random(form, Budget(EPSILON)).generate(shuffled(data), seed=0)
    assert again.delta.equal(noise.delta)
    part = Random(form, Budget(EPSILON)).generate(data.select(torch.arange(len(data)) % 7 == 0), seed=0)
    assert part.delta.equal(noise.for_batch(part.keys))
    assert not Random(form, Budget(EPSILON)).generate(data, seed=1).delta.equal(noise.delta)


def test_what_has_no_box_is_refused():
    with pytest.raises(UsageError, match="norm 'l2' has no box"):
        Random("class", Budget(1.0, "l2"))
    with pytest.raises(UsageError, match="form 'both' is unknown"):
        Random("both")
