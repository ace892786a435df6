"""Agree, differ, not run: every branch, and what must hold for any numbers."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.results import Expected
from faceshield.reports.verdict import format_bar, format_limit, judge, judge_all

NONE, MIN = {"noise": "none", "form": "class"}, {"noise": "error-min", "form": "class"}


def result(*cells, not_run=()):
    made = [{"key": key, "seed": seed, "metrics": metrics} for key, seed, metrics in cells]
    return {"cells": made, "not_run": [{"key": key, "seed": 0} for key in not_run]}


def bar(**fields):
    return Expected(**{"key": {"noise": "error-min"}, "metric": "m", **fields})


MEASURED = result((NONE, 0, {"m": 0.94, "other": 0.5}), (MIN, 0, {"m": 0.10}), (MIN, 1, {"m": 0.20}))


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"at_most": 0.15}, "agree"),
        ({"at_most": 0.149}, "differ"),
        ({"at_least": 0.15}, "agree"),
        ({"at_least": 0.151}, "differ"),
        ({"at_least": 0.1, "at_most": 0.2}, "agree"),
        ({"at_least": 0.16, "at_most": 0.2}, "differ"),
        ({"paper": 0.1}, "no bar"),
        ({"paper": 0.1, "within": 0.05}, "agree"),
        ({"paper": 0.1, "within": 0.04}, "differ"),
        ({"paper": 0.9, "within": 0.04, "at_most": 0.2}, "differ"),
        ({"near": {"key": {"noise": "none"}, "metric": "m"}, "within": 0.79}, "agree"),
        ({"near": {"key": {"noise": "none"}, "metric": "m"}, "within": 0.78}, "differ"),
        ({"near": {"key": {"noise": "none"}, "metric": "other"}, "within": 0.35}, "agree"),
        ({"near": {"key": {"noise": "none"}, "metric": "other"}, "within": 0.34}, "differ"),
        ({"near": {"key": {"noise": "random"}, "metric": "m"}, "within": 1}, "not run"),
        ({"near": {"key": {"noise": "none"}, "metric": "absent"}, "within": 1}, "not run"),
        ({"metric": "absent", "at_most": 1}, "not run"),
    ],
)
def test_a_bar_against_the_mean_over_seeds(fields, verdict):
    assert judge(bar(**fields), MEASURED, MIN) == verdict
    assert judge_all([bar(**fields)], MEASURED) == verdict


def test_cells_that_are_not_there_are_not_run():
    assert judge(bar(at_most=1), MEASURED, {"noise": "error-min"}) == "not run", "only a whole key counts"
    assert judge_all([bar(key={"noise": "random"}, at_most=1)], MEASURED) == "not run"
    assert judge_all([bar(key={"noise": "random"}, paper=1)], MEASURED) == "not run"


def test_a_bar_is_not_about_keys_with_a_name_that_it_leaves_out():
    other = {**MIN, "extractor": "trained"}
    older = bar(at_most=0.2, without=["extractor"])
    assert older.covers(MIN)
    assert not older.covers(other)
    assert judge_all([older], result((MIN, 0, {"m": 0.1}), (other, 0, {"m": 0.9}))) == "agree"
    assert judge_all([older], result((MIN, 0, {"m": 0.1}), not_run=[other])) == "agree"
    assert judge_all([older], result((other, 0, {"m": 0.1}))) == "not run"
    assert format_bar(older) == "error-min, no extractor: m ≤ 0.2"


def test_one_that_differs_decides_then_whether_all_is_run():
    good, bad, absent, bare = bar(at_most=1), bar(at_most=0), bar(metric="x", at_most=1), bar(paper=1)
    assert judge_all([], MEASURED) == "no bar"
    assert judge_all([bare], MEASURED) == "no bar"
    assert judge_all([bare, good], MEASURED) == "agree"
    assert judge_all([good, absent], MEASURED) == "partly run"
    assert judge_all([absent], MEASURED) == "not run"
    assert judge_all([good, absent, bad], MEASURED) == "differ"


def test_a_bar_holds_for_every_key_that_it_covers():
    sample = {"noise": "error-min", "form": "sample"}
    both = result((MIN, 0, {"m": 0.1}), (sample, 0, {"m": 0.9}))
    assert judge_all([bar(at_most=0.5)], both) == "differ"
    assert judge_all([bar(key=MIN, at_most=0.5)], both) == "agree"


def test_a_seed_that_is_still_open_keeps_a_result_from_agreeing():
    open_ = result((MIN, 0, {"m": 0.1}), not_run=[MIN])
    assert judge_all([bar(at_most=0.5)], open_) == "partly run"
    assert judge_all([bar(at_most=0.05)], open_) == "differ"
    assert judge_all([bar(at_most=0.5)], result((MIN, 0, {"m": 0.1}), not_run=[NONE])) == "agree"


VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=4)


@given(VALUES, st.floats(0, 1))
def test_no_number_misses_both_of_a_bar_and_its_opposite(values, limit):
    cells = result(*((MIN, seed, {"m": value}) for seed, value in enumerate(values)))
    below, above = (judge(bar(**{side: limit}), cells, MIN) for side in ("at_most", "at_least"))
    assert "agree" in (below, above)
    mean = statistics.fmean(values)
    if abs(mean - limit) > 1e-6:
        assert below == ("agree" if mean < limit else "differ")
        assert above == ("agree" if mean > limit else "differ")


@given(VALUES, VALUES, st.floats(0, 1))
def test_near_is_a_distance(ours, theirs, within):
    cells = [(MIN, seed, {"m": value}) for seed, value in enumerate(ours)]
    cells += [(NONE, seed, {"m": value}) for seed, value in enumerate(theirs)]
    forth = bar(key=MIN, within=within, near={"key": NONE, "metric": "m"})
    back = bar(key=NONE, within=within, near={"key": MIN, "metric": "m"})
    verdict = judge(forth, result(*cells), MIN)
    assert verdict == judge(back, result(*cells), NONE)
    distance = abs(statistics.fmean(ours) - statistics.fmean(theirs))
    if abs(distance - within) > 1e-6:
        assert verdict == ("agree" if distance < within else "differ")


def test_bars_in_words():
    near = {"key": {"noise": "none"}, "metric": "test_accuracy_final"}
    accuracy = {"metric": "test_accuracy_final"}
    assert format_limit(bar(**accuracy, at_most=0.25)) == "≤ 25%"
    assert format_limit(bar(**accuracy, at_least=0.3, at_most=0.255)) == "≤ 25.5% and ≥ 30%"
    assert format_limit(bar(**accuracy, paper=0.1642, within=0.03)) == "within 3 points of the paper"
    assert format_limit(bar(**accuracy, near=near, within=0.03)) == "within 3 points of none"
    assert format_limit(bar(near=near, within=0.03)) == "within 0.03 of none (test_accuracy_final)"
    assert format_limit(bar(paper=1.5)) == "–"
    assert format_bar(bar(**accuracy, paper=0.1642)) == "error-min: test_accuracy_final, paper 16.42%"
    assert format_bar(bar(metric="seconds", at_most=1.5)) == "error-min: seconds ≤ 1.5"


@pytest.mark.parametrize(
    ("ours", "side", "limit", "verdict"),
    [
        (0.53, "above", 0.03, "agree"),
        (0.54, "above", 0.03, "differ"),
        (0.10, "above", 0.03, "agree"),
        (0.47, "below", 0.03, "agree"),
        (0.46, "below", 0.03, "differ"),
        (0.90, "below", 0.03, "agree"),
        (0.50, "above", 0, "agree"),
        (0.51, "above", 0, "differ"),
    ],
)
def test_a_distance_to_one_side(ours, side, limit, verdict):
    cells = [
        {"key": {"noise": noise}, "seed": 0, "metrics": {"accuracy": value}}
        for noise, value in (("error-min", ours), ("none", 0.5))
    ]
    near = {"key": {"noise": "none"}, "metric": "accuracy"}
    one = Expected.model_validate({"key": {"noise": "error-min"}, "metric": "accuracy", side: limit, "near": near})
    assert judge(one, {"cells": cells}, {"noise": "error-min"}) == verdict
    assert judge(one, {"cells": cells[:1]}, {"noise": "error-min"}) == "not run"
    assert format_limit(one) == f"at most {limit * 100:.3g} points {side} none"


def test_a_scale_with_a_matrix_of_its_own_is_not_asked_for_other_cells():
    cells = [{"key": {"noise": "none"}, "seed": 0, "metrics": {"accuracy": 0.5}}]
    bars = [
        Expected.model_validate({"key": {"noise": noise}, "metric": "accuracy", "at_least": 0.4})
        for noise in ("none", "error-min")
    ]
    assert judge_all(bars, {"cells": cells, "not_run": []}) == "partly run"
    assert judge_all(bars, {"cells": cells, "not_run": [], "own_matrix": True}) == "agree"
    open_ = [{"key": {"noise": "error-min"}, "seed": 0}]
    assert judge_all(bars, {"cells": cells, "not_run": open_, "own_matrix": True}) == "partly run"
