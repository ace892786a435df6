"""The crowd that comes with the tool: whose it is, whom it leaves out, what damages it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from faceshield.core.errors import StoreError
from faceshield.core.store import write_tensors
from faceshield.evaluation.distractors import DISTRACTORS, Distractors, draw_order, load_distractors
from faceshield.models import weights
from faceshield.models.resnet29 import MATCH_DISTANCE


def test_the_shipped_crowd_is_of_the_shipped_recogniser_and_large():
    distractors = load_distractors()
    assert distractors.recogniser == weights.read_registry()["dlib_face_resnet29"].sha256
    assert len(distractors.crowd) >= 4000
    assert len(distractors.people.unique()) >= 3000
    assert distractors.crowd.dtype == torch.float32


def test_rows_of_one_number_are_one_person():
    distractors = load_distractors()
    numbers, counts = distractors.people.unique(return_counts=True)
    several = numbers[counts > 1][:50]
    own = [distractors.crowd[distractors.people == number] for number in several]
    within = torch.stack([(rows[0] - rows[1]).norm() for rows in own])
    across = torch.stack([(a[0] - b[0]).norm() for a, b in pairwise(own)])
    assert float((within < MATCH_DISTANCE).float().mean()) > 0.9
    assert float((across < MATCH_DISTANCE).float().mean()) < 0.1


def test_targets_are_other_people_than_the_crowd():
    distractors = load_distractors()
    nearest = torch.cdist(distractors.targets, distractors.crowd).amin(1)
    assert float((nearest < 0.35).float().mean()) < 0.01  # photos of one person lie that near


def test_photos_are_drawn_by_hash_and_keep_their_person():
    ids = [f"P{n}/P{n}_{k:04d}.jpg" for n in range(9) for k in range(1, n % 3 + 2)]
    order, people = draw_order(ids)
    assert sorted(order) == list(range(len(ids)))
    assert order != sorted(order)
    assert sorted(people.unique().tolist()) == list(range(9))
    names = [ids[place].split("/")[0] for place in order]
    assert len(set(zip(names, people.tolist(), strict=True))) == 9
    backwards, same = draw_order(ids[::-1])
    assert [ids[::-1][place] for place in backwards] == [ids[place] for place in order]
    assert same.equal(people)


def test_without_drops_all_photos_of_whoever_is_the_person_and_keeps_who_looks_like_one_photo():
    crowd = torch.tensor([[0.0, 0.0], [3.0, 0.0], [5.0, 0.0], [9.0, 0.0]])
    distractors = Distractors(crowd, torch.tensor([7, 7, 8, 9]), torch.tensor([[0.0, 0.1], [4.0, 0.0]]), "x")
    left = distractors.exclude(torch.tensor([[0.0, 0.2], [0.1, 0.1], [5.0, 0.1]]))
    assert left.people.tolist() == [8, 9]
    assert left.crowd.equal(crowd[2:])
    assert left.targets.tolist() == [[4.0, 0.0]]


@pytest.mark.parametrize(
    "tensors",
    [
        {"crowd": torch.zeros(3, 4), "people": torch.zeros(3, dtype=torch.int32)},
        {"crowd": torch.zeros(3, 4), "people": torch.zeros(2, dtype=torch.int32), "targets": torch.zeros(1, 4)},
        {"crowd": torch.zeros(3, 4), "people": torch.zeros(3, dtype=torch.int32), "targets": torch.zeros(1, 5)},
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, monkeypatch, tensors):
    write_tensors(tmp_path / "s.safetensors", tensors, {"recogniser": "x"})
    weights.register(tmp_path, DISTRACTORS, "s.safetensors", licence="", source="", input="")
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    with pytest.raises(StoreError, match="install the matching file"):
        load_distractors()
