"""The audit by its command: quadrants against a count by hand, a page in plain words, and what it refuses."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re

import numpy as np
import pytest
import torch

from faceshield.auditing.audit import Audit, audit
from faceshield.auditing.judges import choose_headline, load_judge
from faceshield.core.errors import UsageError
from faceshield.evaluation.search import search
from faceshield.evaluation.tracker import count_reached
from faceshield.models.pretrained import JUDGE, PRETRAINED, SURROGATES
from faceshield.reports.audit import explain, explain_audit, write_audit


@pytest.fixture(scope="module")
def judges():
    """ResNet-29 and the one that no mask is made against."""
    return [load_judge(name, torch.device("cpu")) for name in ("resnet29", JUDGE)]


@pytest.fixture
def folders(put, portrait, tmp_path):
    """Two clean portraits, and two of the same person with strong noise on them, one of them turned."""
    rng = np.random.default_rng(0)
    put(tmp_path / "clean/a.png", portrait)
    put(tmp_path / "clean/b.png", np.ascontiguousarray(portrait[:, ::-1]))
    put(tmp_path / "clean/nobody.png", np.full((90, 90, 3), 128, np.uint8))
    for name in "cd":
        noise = rng.integers(-40, 41, portrait.shape)
        put(tmp_path / f"cloaked/{name}.png", (portrait + noise).clip(0, 255).astype(np.uint8))
    (tmp_path / "cloaked/faceshield.json").write_text(json.dumps({"recognisers": SURROGATES}))
    return tmp_path / "cloaked", tmp_path / "clean"


def test_a_page_says_what_was_found_and_never_promises(cli, folders, tmp_path):
    cloaked, clean = folders
    result = cli("audit", "--cloaked", cloaked, "--clean", clean, "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<style.*?</style>|<[^>]+>|base64,[^\"]+", " ", page, flags=re.S).split())
    assert f"Measured on {datetime.datetime.now(datetime.timezone.utc).date():%Y-%m-%d}" in text
    assert "cloaked photos, searched for among clean ones" in text
    assert "No face was found in 1 clean photos: nobody.png" in text
    assert "What stays open" in text
    assert not re.search(r"protects? you|\bsafe\b|invisible|guarantee", text + result.stdout, re.I)
    assert page.count("data:image/png;base64") == 3  # the histogram and one pair for each cloaked photo
    assert "http" not in page.replace("http-equiv", "")
    assert "Without a cloak it found the person first in 100% of 2 searches (95 %" in result.stdout
    assert f"figures of {PRETRAINED[JUDGE].title}. It took no part in making the masks" in result.stdout
    assert all(PRETRAINED[name].title in text for name in PRETRAINED)
    assert "keep it to yourself" in result.stdout
    again = cli("audit", "--cloaked", cloaked, "--clean", clean, "-o", tmp_path / "r.html", code=2)
    assert "exists already" in again.stderr


def test_quadrants_are_searches_of_the_folders(folders, detector, judges):
    made = audit(*folders, judges, detector)
    assert (list(made.findings), made.headline) == (["resnet29", JUDGE], JUDGE)
    assert {name: found.white_box for name, found in made.findings.items()} == {"resnet29": True, JUDGE: False}
    same = judges[0].distractors.find_same(made.sides["clean"].features["resnet29"])
    assert made.per_search == 1, "two photos a side: one is the query, so every index holds one"
    for judge, found in zip(judges, made.findings.values(), strict=True):
        a, b = (made.sides[kind].features[judge.name] for kind in ("clean", "cloaked"))
        assert (len(a), len(b), made.sides["clean"].lost) == (2, 2, ("nobody.png",))
        crowd = judge.distractors.exclude(same).crowd
        assert made.crowd == len(crowd) >= 3990
        nearest_first = [search(b, a[[own]], crowd).rank.tolist() for own in (0, 1)]
        assert found.found["cloaked", "clean"].rank.tolist() in nearest_first
        alone = found.found["clean", "clean"]
        assert alone.rank.tolist() == [int(search(a[[0]], a[[1]], crowd).rank), int(search(a[[1]], a[[0]], crowd).rank)]
        assert alone.distance.tolist() == pytest.approx([float((a[0] - a[1]).norm())], abs=1e-4), "a pair counts once"
        apart = torch.cdist(a, b)
        assert found.found["clean", "cloaked"].distance.tolist() == pytest.approx(apart.flatten().tolist(), abs=1e-4)
        share = float((apart < judge.limit).double().mean())
        assert found.metrics()["clean", "cloaked"]["match_rate"] == pytest.approx(share)
        assert found.different.shape == (2 * len(crowd),)
        assert found.reached == pytest.approx(float(count_reached(a, b, judge.limit).double().mean()) / 2)
        assert found.reached_from_none >= 0.5, "the photo that a tracker starts with counts"
    nearest = float(torch.cdist(*(made.sides[kind].features[JUDGE] for kind in ("clean", "cloaked"))).min())
    assert made.nearest[0].distance == pytest.approx(nearest, abs=1e-3)
    assert [pair.distance for pair in made.nearest] == sorted(pair.distance for pair in made.nearest)


def test_the_headline_is_of_one_that_took_no_part():
    assert choose_headline(list(PRETRAINED), SURROGATES) == JUDGE
    assert choose_headline(list(PRETRAINED), ()) == JUDGE
    assert choose_headline(list(PRETRAINED), (JUDGE,)) == "resnet29"
    assert choose_headline(["sface", "resnet29"], ("resnet29",)) == "sface"
    assert choose_headline(["sface"], ("sface",)) == "sface", "where all took part, one of them, and the page says so"


def test_who_took_part_is_not_known_without_the_report(folders, detector, judges):
    cloaked, clean = folders
    (cloaked / "faceshield.json").unlink()
    made = audit(cloaked, clean, judges, detector)
    assert {found.white_box for found in made.findings.values()} == {None}
    assert "does not say which" in explain_audit(made)[0]


def test_what_cannot_be_audited_is_refused(folders, detector, judges, put, portrait, tmp_path):
    cloaked, clean = folders
    with pytest.raises(UsageError, match="show the same uncloaked face"):
        audit(clean, clean, judges[:1], detector)
    with pytest.raises(UsageError, match="is not a folder"):
        audit(tmp_path / "absent", clean, judges[:1], detector)
    put(tmp_path / "one/a.png", portrait)
    with pytest.raises(UsageError, match="found in 1 photos; an audit needs at least 2"):
        audit(cloaked, tmp_path / "one", judges[:1], detector)


def test_an_index_holds_as_many_photos_of_the_person_whichever_kind_they_are(folders, detector, judges, put, portrait):
    cloaked, clean = folders
    for turn in (1, 2, 3):
        put(clean / f"{turn}.png", np.roll(portrait, 2 * turn, axis=1))
    made = audit(cloaked, clean, judges[:1], detector)
    assert {kind: len(side.names) for kind, side in made.sides.items()} == {"clean": 5, "cloaked": 2}
    assert made.per_search == 1
    assert [len(made.main.found[kinds].rank) for kinds in (("clean", "clean"), ("cloaked", "cloaked"))] == [5, 2]
    assert len(made.main.found["clean", "clean"].distance) == 10


def test_what_cannot_be_read_is_told_and_hidden_files_are_not_photos(cli, folders, portrait, put, tmp_path):
    cloaked, clean = folders
    (clean / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (clean / "._a.jpg").write_bytes(b"what a Mac leaves beside a photo")
    odd = os.fsdecode(b"caf\xe9.png")  # in Latin-1: no text in UTF-8
    put(clean / odd, np.roll(portrait, 2, axis=1))
    cli("audit", "--cloaked", cloaked, "--clean", clean, "--recogniser", "resnet29", "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.search(r"Not read: .*broken\.jpg", page)
    assert "._a.jpg" not in page


def test_originals_and_copies_are_refused(cli, folders, put, portrait, tmp_path):
    cloaked, clean = folders
    digest = hashlib.sha256((clean / "a.png").read_bytes()).hexdigest()
    photo = {"sha256_input": digest, "output": "c.png"}
    (cloaked / "faceshield.json").write_text(json.dumps({"photos": [photo]}), encoding="utf-8")
    given = ("audit", "--cloaked", cloaked, "--clean", clean, "--recogniser", "resnet29", "-o", tmp_path / "r.html")
    refused = cli(*given, code=2)
    assert re.search(r"a\.png: is the original of .*c\.png", refused.stderr)
    (cloaked / "faceshield.json").unlink()
    (clean / "sub").mkdir()
    (clean / "sub/a.png").write_bytes((clean / "a.png").read_bytes())
    refused = cli(*given, code=2)
    assert re.search(r"sub/a\.png: is the same file as .*a\.png", refused.stderr)


@pytest.mark.parametrize("out", [".", "", "/", "x.txt", "a" * 300 + ".html", "setup.cfg/r.html"])
def test_a_page_that_cannot_be_written_is_refused_before_any_work(cli, folders, out, root, monkeypatch):
    monkeypatch.chdir(root)
    cloaked, clean = folders
    refused = cli("audit", "--cloaked", cloaked, "--clean", clean, "-o", out, code=None)
    assert refused.exit_code in (2, 5)
    assert refused.stderr.count("\n") == 1 or "Usage" in refused.stderr


def told(rank1, low, high):
    return {"rank1": rank1, "rank1_ci": [low, high], "queries": 40}


def test_a_change_is_told_only_where_the_intervals_are_apart():
    metrics = {
        ("clean", "clean"): told(1.0, 0.9, 1.0),
        ("cloaked", "clean"): told(0.05, 0.01, 0.17),
        ("clean", "cloaked"): told(0.95, 0.8, 1.0),
        ("cloaked", "cloaked"): told(0.5, 0.3, 0.7),
    }
    first, second, third, fourth = explain(metrics)
    assert "100%" in first
    assert "5% were found first" in second
    assert "lowered that" in second
    assert "does not tell the two apart" in third
    assert "lowered that" in fourth


def test_names_of_files_are_text(folders, detector, judges, tmp_path):
    cloaked, clean = folders
    (clean / "nobody.png").rename(clean / "<b>&.png")
    made = audit(cloaked, clean, judges[:1], detector)
    assert isinstance(made, Audit)
    write_audit(made, tmp_path / "r.html", datetime.date(2026, 1, 2))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;.png" in page
    assert "<b>" not in page
