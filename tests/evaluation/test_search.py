"""A face search against a count by hand: ranks, shares, photos without a face, and the limit at a false match rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.evaluation.search import Search, concatenate_searches, find_limit, search


def rows(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999), queries=st.integers(1, 5), own=st.integers(1, 4), crowd=st.integers(1, 30))
def test_ranks_are_what_sorting_everything_gives(seed, queries, own, crowd):
    a, b, c = rows(seed, queries, 3), rows(seed + 1, own, 3), rows(seed + 2, crowd, 3)
    found = search(a, b, c)
    for number, query in enumerate(a.numpy()):
        every = np.linalg.norm(np.concatenate([b.numpy(), c.numpy()]) - query, axis=1)
        is_own = np.argsort(every, kind="stable") < own
        assert int(found.rank[number]) == int(np.argmax(is_own)) + 1
    assert found.distance.shape == (queries * own,)
    assert found.distance[0] == pytest.approx(float((a[0] - b[0]).norm()), abs=1e-5)


def test_a_photo_without_a_face_is_never_found():
    nothing = torch.full((1, 3), float("nan"))
    person, crowd = torch.zeros(1, 3), torch.ones(7, 3)
    assert search(nothing, person, crowd).rank.tolist() == [8]
    assert search(person, nothing, crowd).rank.tolist() == [8]
    assert search(person, torch.cat([nothing, person]), torch.cat([crowd, nothing])).rank.tolist() == [1]
    assert search(nothing, person, crowd).metrics({"match_rate": 99.0})["match_rate"] == 0


def test_shares_and_intervals():
    one = Search(torch.tensor([1, 1, 4]), torch.tensor([0.1, 0.5, 0.7]))
    other = Search(torch.tensor([20]), torch.tensor([0.9]))
    told = concatenate_searches([one, other]).metrics({"match_rate": 0.6})
    assert (told["rank1"], told["rank10"], told["match_rate"], told["queries"]) == (0.5, 0.75, 0.5, 4)
    low, high = told["rank1_ci"]
    assert 0.06 < low < 0.08  # Clopper and Pearson for 2 of 4: 0.0676 to 0.9324
    assert 0.92 < high < 0.94


@given(seed=st.integers(0, 99), count=st.integers(60, 400), far=st.floats(0.05, 0.5))
def test_the_limit_lets_no_more_than_its_share_through_and_the_next_would(seed, count, far):
    different = rows(seed, count).abs()
    limit = find_limit(different, far)
    assert float((different < limit).double().mean()) <= far
    assert float((different <= limit).double().mean()) > far - 1 / count


def test_what_cannot_be_told_is_refused():
    with pytest.raises(UsageError, match="3000 are needed"):
        find_limit(torch.rand(2999), 1e-3)
    with pytest.raises(UsageError, match="distractors: a search needs"):
        search(torch.zeros(1, 3), torch.zeros(1, 3), torch.zeros(0, 3))
