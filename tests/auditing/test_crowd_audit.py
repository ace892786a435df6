"""The audit's page on trained recognisers: intervals, plain words, and what it says where none was trained."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from faceshield.auditing import crowd
from faceshield.auditing.crowd_audit import AFTER, BEFORE, CrowdAudit, add_intervals
from faceshield.reports.recognisers import build_trained_lines, describe_trained, explain_trained

SETTINGS = {"size": 80, "width": 16, "epochs": 30}


def shares(own, peak, others, tested=20, crowd=200):
    metrics = {"protected_accuracy": own / tested, "protected_accuracy_peak": peak / tested}
    return add_intervals({**metrics, "others_accuracy": others / crowd, "chance": 1 / 31}, tested, crowd)


def result(before, after, **more):
    metrics = {BEFORE: before, AFTER: after, **{("cloaked", name.replace("_", "-")): v for name, v in more.items()}}
    return CrowdAudit(metrics, 20, 20, 30, 960, 200, SETTINGS, {"clean": 0, "cloaked": 2, "crowd": 5}, ("p1",))


@given(st.integers(1, 300), st.data())
def test_intervals_are_exact_for_any_count(trials, data):
    hits = data.draw(st.integers(0, trials))
    told = shares(hits, hits, 7, tested=trials)
    theirs = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert told["protected_accuracy_ci"] == pytest.approx([theirs.low, theirs.high], abs=1e-9)
    assert told["protected_accuracy_peak_ci"] == told["protected_accuracy_ci"]
    theirs = binomtest(7, 200).proportion_ci(0.95, "exact")
    assert told["others_accuracy_ci"] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


def test_words_follow_the_intervals():
    lowered = " ".join(explain_trained(result(shares(16, 17, 150), shares(1, 3, 148))))
    assert "trained on 20 clean photos of the person among 30 other people named the person in 80%" in lowered
    assert "in 5% (95 % interval 0% to 25%; 15% at its best epoch). The cloak lowered that." in lowered
    assert "75% of their photos by the first of these recognisers and in 74% by the second" in lowered
    assert "few to begin with" not in lowered
    assert "does not tell the two apart" in " ".join(explain_trained(result(shares(10, 10, 9), shares(8, 9, 9))))
    weak = " ".join(explain_trained(result(shares(1, 2, 9), shares(18, 18, 9))))
    assert "few to begin with" in weak
    assert "more than without a cloak" in weak
    assert not re.search(r"protects? you|\bsafe\b|invisible|guarantee", lowered + weak, re.I)


def test_a_line_for_each_training_says_what_was_done():
    made = result(shares(16, 17, 150), shares(1, 3, 148), jpeg_75=shares(2, 5, 140))
    names = [line.name for line in build_trained_lines(made)]
    assert names == [
        "trained on clean photos",
        "trained on cloaked photos",
        "trained on cloaked photos, saved as JPEG 75",
    ]
    assert build_trained_lines(made)[2].cells[1] == "25.0% (9%–49%)"
    assert "A collector who goes further (saved as JPEG 75) got 10%" in " ".join(explain_trained(made))
    told = describe_trained(made)
    assert told["without a face"] == "photos that the collector left out: 2 cloaked, 5 crowd"
    assert told["too few"].endswith("left out: p1")


@pytest.mark.slow
def test_the_command_trains_among_a_crowd_and_says_where_it_did_not(cli, put, portrait, tmp_path, monkeypatch):
    settings = {"size": 32, "width": 4, "epochs": 1, "steps": 1, "lr": 0.1}
    monkeypatch.setattr(crowd, "train_recognisers", partial(crowd.train_recognisers, settings=settings))
    rng = np.random.default_rng(0)
    flipped = np.ascontiguousarray(portrait[:, ::-1])
    for number, picture in enumerate((portrait, flipped, portrait[8:], flipped[8:])):
        put(tmp_path / f"clean/{number}.png", picture)
    for number in range(2):
        noise = rng.integers(-40, 41, portrait.shape)
        put(tmp_path / f"cloaked/{number}.png", (portrait + noise).clip(0, 255).astype(np.uint8))
    for person, colours in (("<b>", [2, 1, 0]), ("green", [1, 2, 0])):
        for number in range(3):
            put(tmp_path / f"crowd/{person}/{number}.png", np.ascontiguousarray(portrait[4 * number :, :, colours]))
    given = ("audit", "--cloaked", tmp_path / "cloaked", "--clean", tmp_path / "clean", "--recogniser", "resnet29")
    made = cli(*given, "--crowd", tmp_path / "crowd", "--counter", "grey", "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h2>Recognisers trained on these photos</h2>" in page
    assert page.count("<th>trained on ") == 3
    assert page.count("data:image/png;base64") == 1 + 2 + 1
    assert "A recogniser trained on 2 clean photos of the person among 2 other people" in made.stdout
    assert "were not measured" not in page
    assert "<b>" not in page
    cli(*given, "-o", tmp_path / "without.html")
    page = (tmp_path / "without.html").read_text(encoding="utf-8")
    assert "Recognisers trained on these photos, which the default cloak acts on, were not measured" in page
    assert "--crowd" in page
    assert "<h2>Recognisers trained" not in page


def test_counters_need_a_crowd_and_a_known_name(cli, tmp_path):
    given = ("audit", "--cloaked", tmp_path, "--clean", tmp_path, "-o", tmp_path / "r.html")
    assert "needs --crowd" in cli(*given, "--counter", "grey", code=2).stderr
    wrong = cli(*given, "--crowd", tmp_path, "--counter", "wash", code=2).stderr
    assert "countermeasure 'wash' is unknown; use none, jpeg-90" in wrong
    assert wrong.count("\n") <= 2
