"""Which examples are protected: the same ones in any order, the smaller share inside the larger one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure


def examples(order=None):
    """Three classes of 10, 7 and 1 examples."""
    labels = torch.tensor([0] * 10 + [1] * 7 + [2])
    order = torch.arange(18) if order is None else order
    ids = tuple(f"e{i:02d}" for i in order.tolist())
    return Examples(torch.zeros(18, 3, 2, 2, dtype=torch.uint8), labels[order], ids, ("a", "b", "c"))


def protected(exposure, data):
    mask = exposure.mask(data)
    assert mask.dtype == torch.bool
    assert mask.shape == (len(data),)
    return {id for id, chosen in zip(data.ids, mask.tolist(), strict=True) if chosen}


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 30), st.permutations(range(18)))
def test_fractions_are_nested_even_and_blind_to_the_order(one, other, seed, order):
    small, large = sorted((one, other))
    data, again = examples(), examples(torch.tensor(order))
    inner, outer = (protected(Exposure(fraction, seed=seed), data) for fraction in (small, large))
    assert inner <= outer
    assert protected(Exposure(small, seed=seed), again) == inner
    counts = torch.bincount(data.labels[Exposure(small, seed=seed).mask(data)], minlength=3).tolist()
    assert counts == [round(small * 10), round(small * 7), round(small)]


def test_another_seed_protects_others_and_nothing_chosen_protects_all():
    data = examples()
    assert protected(Exposure(0.5, seed=0), data) != protected(Exposure(0.5, seed=1), data)
    assert Exposure().mask(data).all()
    assert not Exposure(0.0).mask(data).any()


def test_by_class_and_by_id():
    data = examples(torch.arange(17, -1, -1))
    assert protected(Exposure(classes=("c", "b")), data) == {f"e{i:02d}" for i in range(10, 18)}
    assert protected(Exposure(ids=("e03", "e17")), data) == {"e03", "e17"}
    assert protected(Exposure(classes=()), data) == protected(Exposure(ids=()), data) == set()


def test_what_cannot_be_meant():
    with pytest.raises(UsageError, match="class 'd' is not in the data"):
        Exposure(classes=("a", "d")).mask(examples())
    with pytest.raises(UsageError, match="example 'e99' is not in the data"):
        Exposure(ids=("e01", "e99")).mask(examples())
    for fraction in (-0.1, 1.01, 80, float("nan")):
        with pytest.raises(UsageError, match="is not within 0 and 1"):
            Exposure(fraction)
    with pytest.raises(UsageError, match="fraction and classes is ambiguous"):
        Exposure(0.2, classes=("a",))
