"""Tables, word for word."""

from __future__ import annotations

import json

import pytest

from faceshield.core.errors import StoreError
from faceshield.core.results import Expected
from faceshield.reports.results import format_duration, format_number, is_rate, read_results, spread
from faceshield.reports.tables import build_rows, render_table

RESULT = {
    "cells": [
        {"key": {"noise": "none"}, "seed": 0, "metrics": {"test_accuracy_final": 0.94, "seconds": 12.5, "name": "x"}},
        {"key": {"noise": "none"}, "seed": 1, "metrics": {"test_accuracy_final": 0.96, "seconds": 13.5, "ok": True}},
        {"key": {"noise": "error-min", "form": "class"}, "seed": 0, "metrics": {"test_accuracy_final": 0.1912}},
    ]
}
EXPECTED = [
    Expected(key={"noise": "error-min"}, metric="test_accuracy_final", paper=0.1642, at_most=0.25),
    Expected(key={"noise": "none"}, metric="test_accuracy_final", paper=0.9495, within=0.001),
    Expected(key={"noise": "random"}, metric="test_accuracy_final", at_least=0.9),
]


def test_a_table_is_exactly_this():
    assert render_table(build_rows(RESULT, EXPECTED)) == (
        "| cells | metric | ours | seeds | paper | bar | verdict |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| none | test_accuracy_final | 95.0% ± 1.4% | 2 | 94.95% | within 0.1 points of the paper | agree |\n"
        "| error-min, form class | test_accuracy_final | 19.1% | 1 | 16.42% | ≤ 25% | agree |\n"
        "| random | test_accuracy_final | – | 0 | – | ≥ 90% | not run |"
    )


def test_without_expectations_every_number_is_shown():
    assert [row.fields() for row in build_rows(RESULT, [])] == [
        ("none", "test_accuracy_final", "95.0% ± 1.4%", "2", "–", "–", "–"),
        ("none", "seconds", "13 ± 0.707", "2", "–", "–", "–"),
        ("error-min, form class", "test_accuracy_final", "19.1%", "1", "–", "–", "–"),
    ]


def test_metrics_that_are_asked_for_stand_beside_the_expected_ones():
    metrics = [row.metric for row in build_rows(RESULT, EXPECTED, ("seconds", "absent"))]
    assert metrics == ["seconds", "test_accuracy_final", "test_accuracy_final", "test_accuracy_final"]


def test_a_bar_in_a_key_does_not_break_the_table():
    table = build_rows({"cells": [{"key": {"noise": "a|b"}, "seed": 0, "metrics": {"m": 1}}]}, [])
    assert "| a\\|b | m | 1 | 1 |" in render_table(table)


@pytest.mark.parametrize("metric", ["test_accuracy_final", "tar_at_far_1e-2", "attack_success", "eer", "match_rate"])
def test_rates_are_told_in_per_cent(metric):
    assert is_rate(metric)
    assert format_number(metric, 0.5) == "50.0%"


@pytest.mark.parametrize("metric", ["ratio", "seconds", "iterations", "ssim_face", "linf_255", "peak_mb"])
def test_other_numbers_are_not(metric):
    assert not is_rate(metric)
    assert format_number(metric, 0.5) == "0.5"


def test_the_spread_is_the_sample_standard_deviation():
    assert spread([1, 2, 3, 4]) == pytest.approx((5 / 3) ** 0.5)
    assert spread([7]) == 0


def test_results_are_read_by_recipe_and_scale(tmp_path, root):
    for name in ("b.paper", "b.smoke", "b.mini", "a.mini"):
        recipe, scale = name.split(".")
        value = {"recipe": recipe, "scale": scale, "claim": "", "device": "", "cells": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    found = [(result["recipe"], result["scale"]) for result in read_results(tmp_path)]
    assert found == [("a", "mini"), ("b", "smoke"), ("b", "mini"), ("b", "paper")]
    assert len(read_results(root / "recipes/results")) >= 4, "the stored results of earlier versions"
    (tmp_path / "c.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StoreError, match=r"c\.json: is not a result"):
        read_results(tmp_path)


def test_numbers_and_times_are_told_as_people_say_them():
    assert [format_number("photos", value) for value in (2526, 12.345, 0.01234)] == ["2526", "12.3", "0.0123"]
    times = [format_duration(seconds) for seconds in (89, 120, 5399, 7200)]
    assert times == ["89 seconds", "2 minutes", "90 minutes", "2.0 hours"]
