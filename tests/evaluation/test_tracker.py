"""The tracker that learns, against a walk from photo to photo by hand."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.evaluation.tracker import count_reached


def walk(start, photos, limit):
    """Photo by photo, with a list of those that are known."""
    known, reached, grown = [start], set(), True
    while grown:
        grown = False
        for place, photo in enumerate(photos):
            if place not in reached and any(float((photo - one).norm()) < limit for one in known):
                reached.add(place)
                known.append(photo)
                grown = True
    return len(reached)


@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0.05, 0.6))
def test_it_reaches_what_a_walk_reaches(seed, count, limit):
    generator = torch.Generator().manual_seed(seed)
    start, photos = torch.rand(3, 2, generator=generator), torch.rand(count, 2, generator=generator)
    assert count_reached(start, photos, limit).tolist() == [walk(one, photos, limit) for one in start]


def test_a_chain_is_followed_to_its_end_and_an_outlier_is_not_reached():
    photos = torch.tensor([[1.0], [2.0], [3.0], [9.0]])
    assert count_reached(torch.tensor([[0.0]]), photos, 1.1).tolist() == [3]
    assert count_reached(torch.tensor([[0.0]]), photos, 0.9).tolist() == [0]
    assert count_reached(photos, photos, 1.1).tolist() == [3, 3, 3, 1], "a photo that it starts with counts"
