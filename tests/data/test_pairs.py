"""Lists of pairs as they are found, pairs drawn from an identity split, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.data import pairs as module
from faceshield.data.pairs import PairSet, parse_person, read_pairs, sample_pairs

LFW = """2\t2
Ann\t1\t4
Bob\t1\t2
Ann\t1\tBob\t3
Bob\t1\tCy_De\t12
Eve\t1\t2
Eve\t2\t3
Eve\t1\tFay\t1
Fay\t1\tGus\t3
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text, name="pairs.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("gap", ["\t", " ", "   "])
def test_lfws_list(write, ends, gap):
    pairs = read_pairs(write(LFW.replace("\t", gap).replace("\n", ends)))
    assert pairs.left[:4] == ("Ann/Ann_0001.jpg", "Bob/Bob_0001.jpg", "Ann/Ann_0001.jpg", "Bob/Bob_0001.jpg")
    assert pairs.right[:4] == ("Ann/Ann_0004.jpg", "Bob/Bob_0002.jpg", "Bob/Bob_0003.jpg", "Cy_De/Cy_De_0012.jpg")
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    assert len(pairs) == 8
    assert len(pairs.ids()) == 11
    assert pairs.people_in_several_folds() == ()


def test_one_fold_and_another_suffix(write):
    pairs = read_pairs(write("2\n" + "\n".join(LFW.splitlines()[1:5])), ".png")
    assert pairs.fold.tolist() == [0] * 4
    assert pairs.right[3] == "Cy_De/Cy_De_0012.png"


def test_our_own_csv(write):
    text = 'left,right,same,fold\na/1.jpg,a/2.jpg,1,0\n\n"b, c/1.jpg",a/1.jpg,false,1\n'
    pairs = read_pairs(write(text, "p.csv"))
    assert pairs.left == ("a/1.jpg", "b, c/1.jpg")
    assert pairs.same.tolist() == [True, False]
    assert pairs.fold.tolist() == [0, 1]
    assert pairs.people_in_several_folds() == ("a",)
    assert read_pairs(write("left,right,same\na/1,a/2,TRUE\n")).fold.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no list of pairs"),
        ("a/1.jpg,a/2.jpg\nb/1.jpg,a/1.jpg\n", "two columns do not say who is the same person"),
        ("left,right\na/1.jpg,a/2.jpg\n", "two columns do not say"),
        ("left,right,same\n", "names no pairs"),
        ("left,right,same\na/1,a/2,yes\n", "line 2: expected left,right,1|0"),
        ("left,right,same,fold\na/1,a/2,1,-1\n", "line 2: expected"),
        ("left,right,same\na/1,,1\n", "line 2: expected"),
        ("left,right,same\na/1,a/2,1,0,9\n", "line 2: expected"),
        ("left,right,same\na/1,a/1,1\n", "pair 1 compares 'a/1' with itself"),
        ("left,right,same\na/1,a/2,1\nb/1,a/1,0\na/2,a/1,1\n", r"pair 3 .* stands there twice, first as pair 1"),
        (LFW.replace("Ann\t1\t4", "Ann\t1\tBob\t4"), "line 2: expected 'NAME i j'"),
        (LFW.replace("Ann\t1\tBob\t3", "Ann\t1\t3"), "line 4: expected 'NAME i OTHER j'"),
        (LFW.replace("Ann\t1\t4", "Ann\tone\t4"), "line 2: expected"),
        (LFW.replace("Ann\t1\tBob\t3", "Ann\t1\tAnn\t3"), "line 4: Ann stands on both sides"),
        (LFW[: LFW.rindex("Fay\t1\tGus")], "has 7 pairs, its first line promises 2 × 2 × 2"),
        (b"\xff\xfe2\x00", "cannot be read as text"),
    ],
)
def test_what_is_no_list_is_refused_with_the_line(write, text, words):
    path = write(text)
    with pytest.raises(UsageError, match=words) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(UsageError, match=r"no such file|cannot be read"):
            read_pairs(path)


def test_photos_that_are_not_there_are_counted_and_one_is_named(write, tmp_path):
    pairs = read_pairs(write(LFW))
    for id in pairs.ids():
        (tmp_path / id).parent.mkdir(exist_ok=True)
    for id in pairs.ids()[2:]:
        (tmp_path / id).touch()
    with pytest.raises(UsageError, match=r"lacks 2 of the 11 photos .* first 'Ann/Ann_0001\.jpg'"):
        pairs.require(tmp_path)
    for id in pairs.ids()[:2]:
        (tmp_path / id).touch()
    pairs.require(tmp_path)


def test_people_by_index():
    pairs = PairSet(("b/1", "a/x/1"), ("b/2", "b/1"), np.array([True, False]), np.array([0, 1]))
    names, index = pairs.people()
    assert names == ("a/x", "b")
    assert index.tolist() == [[1, 1], [0, 1]]
    assert pairs.people_in_several_folds() == ("b",)
    bare = PairSet(("000001",), ("000002",), np.array([True]), np.array([0]))
    with pytest.raises(UsageError, match="name no person"):
        bare.people()


# ---- drawn


def split(sizes):
    people = [f"p{person:03d}" for person, size in enumerate(sizes) for _ in range(size)]
    return [f"{name}/{number}" for number, name in enumerate(people)], people


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=12, max_size=30), st.integers(1, 3), st.integers(0, 99))
def test_no_pair_twice_none_with_itself_and_no_person_in_two_folds(sizes, folds, seed):
    ids, people = split(sizes)
    try:
        pairs = sample_pairs(ids, people, same=6 * folds, different=12 * folds, folds=folds, seed=seed)
    except UsageError as error:
        assert "were asked for" in str(error)  # noqa: PT017
        return
    assert len({frozenset(ends) for ends in zip(pairs.left, pairs.right, strict=True)}) == len(pairs) == 18 * folds
    assert all(len({a, b}) == 2 for a, b in zip(pairs.left, pairs.right, strict=True))
    truth = [parse_person(a) == parse_person(b) for a, b in zip(pairs.left, pairs.right, strict=True)]
    assert pairs.same.tolist() == truth
    assert np.bincount(pairs.fold).tolist() == [18] * folds
    assert np.bincount(pairs.fold, pairs.same).tolist() == [6] * folds
    assert pairs.people_in_several_folds() == ()


def test_the_draw_depends_on_the_seed_and_not_on_the_order():
    ids, people = split([5] * 40)
    order = np.random.default_rng(0).permutation(len(ids))
    one = sample_pairs(ids, people, same=40, different=40, folds=4)
    two = sample_pairs([ids[i] for i in order], [people[i] for i in order], same=40, different=40, folds=4)
    assert (one.left, one.right) == (two.left, two.right)
    assert one.left != sample_pairs(ids, people, same=40, different=40, folds=4, seed=1).left


@pytest.mark.parametrize("listed", [0, 10**6])
def test_every_pair_is_equally_likely(listed, monkeypatch):
    monkeypatch.setattr(module, "_ENUMERABLE", listed)
    ids, people = split([2, 3, 1])
    counts = {}
    for seed in range(600):
        pairs = sample_pairs(ids, people, same=2, different=3, folds=1, seed=seed)
        for ends in zip(pairs.left, pairs.right, strict=True):
            counts[frozenset(ends)] = counts.get(frozenset(ends), 0) + 1
    assert len(counts) == 15
    alike = [n for ends, n in counts.items() if len({parse_person(id) for id in ends}) == 1]
    unlike = [n for ends, n in counts.items() if len({parse_person(id) for id in ends}) == 2]
    np.testing.assert_allclose(alike, 600 * 2 / 4, rtol=0.2)
    np.testing.assert_allclose(unlike, 600 * 3 / 11, rtol=0.3)


def test_the_papers_six_thousand():
    ids, people = split([12] * 300)
    pairs = sample_pairs(ids, people)
    assert pairs.same.sum() == (~pairs.same).sum() == 3000
    assert np.bincount(pairs.fold).tolist() == [600] * 10


@pytest.mark.parametrize(
    ("sizes", "options", "words"),
    [
        ([3] * 4, {"same": 30, "different": 10, "folds": 1}, "has 12 pairs of one person, 30 were asked for"),
        ([3] * 4, {"same": 10, "different": 60, "folds": 1}, "has 54 pairs of two people, 60 were asked for"),
        ([3] * 4, {"same": 10, "different": 10, "folds": 3}, "do not split into 3 equal folds"),
        ([3] * 4, {"folds": 0}, "do not split"),
        ([1] * 30, {"same": 3, "different": 3, "folds": 3}, "has 0 pairs of one person"),
        ([3], {"same": 2, "different": 2, "folds": 2}, "has 0 pairs"),
    ],
)
def test_more_than_there_is(sizes, options, words):
    with pytest.raises(UsageError, match=words):
        sample_pairs(*split(sizes), **options)


def test_ids_must_differ():
    with pytest.raises(UsageError, match="ids must differ"):
        sample_pairs(["a/1", "a/1"], ["a", "a"], same=1, different=1, folds=1)


def test_the_official_list(shared):
    pairs = read_pairs(shared / "lfw/pairs.txt")
    assert np.bincount(pairs.fold).tolist() == [600] * 10
    assert np.bincount(pairs.fold, pairs.same).tolist() == [300] * 10
    assert len(pairs.ids()) == 7701
    assert pairs.people_in_several_folds() == ()
    pairs.require(shared / "lfw/images")
