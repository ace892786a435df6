"""faceshield verify and faceshield evaluate: decisions, reports and refusals, with a stand-in for slow networks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from faceshield.auditing import pretrained as module
from faceshield.core.types import Face
from faceshield.evaluation.enrol import Recogniser
from faceshield.faces import any_roll

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


@pytest.fixture
def quick(monkeypatch):
    """A face in every picture that is not black; its features are the mean colours of two halves."""

    def detect(self, rgb):
        side = min(rgb.shape[:2])
        return [Face(np.array([0, 0, side, side], np.float32), POINTS * side, 0.99)] if rgb.any() else []

    def forward(images):
        return torch.cat([images[..., :75, :].mean((2, 3)), images[..., 75:, :].mean((2, 3))], 1)

    monkeypatch.setattr(any_roll.AnyRollDetector, "detect", detect)

    def load_recogniser(device, file=None, name="resnet29"):
        return Recogniser(forward, device, file.name if file else {"resnet29": "quick"}.get(name, name), 6)

    monkeypatch.setattr(module, "load_recogniser", load_recogniser)


@pytest.fixture
def album(put, tmp_path):
    """Two folds of people who differ by colour; (folder, pairs.csv)."""
    rng, lines = np.random.default_rng(0), ["left,right,same,fold"]
    colours = rng.integers(40, 215, (8, 3))
    for person, colour in enumerate(colours):
        for photo in range(3):
            pixels = np.clip(colour + rng.normal(0, 6, 3) + rng.normal(0, 9, (40, 40, 3)), 1, 255).astype(np.uint8)
            put(tmp_path / f"album/p{person}/{photo}.png", pixels)
    for person in range(8):
        fold, other = person // 4, person // 4 * 4 + (person + 1) % 4
        lines += [f"p{person}/{a}.png,p{person}/{b}.png,1,{fold}" for a, b in ((0, 1), (0, 2), (1, 2))]
        lines += [f"p{person}/{a}.png,p{other}/{a}.png,0,{fold}" for a in range(3)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "album", tmp_path / "pairs.csv"


@pytest.fixture
def evaluate(cli, album, tmp_path, quick):
    def run(*options, out="out", code=0):
        folder, pairs = album
        fixed = ["--pairs", pairs, "--images", folder, "-o", tmp_path / out, "--work", tmp_path / "work"]
        return cli("evaluate", "verification", *fixed, *options, code=code)

    return run


@pytest.mark.parametrize("command", [["verify"], ["evaluate"], ["evaluate", "verification"]])
def test_the_commands_explain_themselves(cli, command):
    assert cli(*command, "--help").stdout.startswith(f"Usage: main {' '.join(command)}")


def test_evaluate_writes_page_text_and_metrics(evaluate, tmp_path):
    result = evaluate()
    assert "accuracy, 2 folds" in result.stdout
    assert str(tmp_path / "out/verification.html") in result.stdout
    value = json.loads((tmp_path / "out/verification.json").read_text(encoding="utf-8"))
    assert value["metrics"]["pairs"] == 48
    assert value["metrics"]["auc"] > 0.9
    assert value["metrics"]["tar_at_far_1e-2"] is None
    assert "24 photos, 0 without a face" in value["setting"]["photos"]
    assert (tmp_path / "out/verification.md").is_file()
    assert len(list((tmp_path / "work/enrolled").rglob("*.safetensors"))) == 24


def test_thresholds_of_clean_photos_decide_protected_ones(evaluate, tmp_path, put):
    evaluate()
    clean = tmp_path / "out/verification.json"
    for photo in range(3):
        put(tmp_path / f"album/p0/{photo}.png", np.zeros((40, 40, 3), np.uint8))
    evaluate("--clean", clean, out="protected")
    value = json.loads((tmp_path / "protected/verification.json").read_text(encoding="utf-8"))
    before = json.loads(clean.read_text(encoding="utf-8"))["metrics"]
    assert value["metrics"]["fold_thresholds"] == before["fold_thresholds"]
    assert value["metrics"]["failures_to_enrol"] == 9
    assert value["metrics"]["pairs"] == 48
    assert value["setting"]["thresholds"] == f"those of {clean}"
    refused = evaluate("--clean", clean, "--score", "cosine", out="other", code=2)
    assert "was made with --score distance" in refused.stderr
    refused = evaluate("--clean", clean, "--weights", "others.pt", out="other", code=2)
    assert "flip True, weights quick; use the same here" in refused.stderr
    (tmp_path / "odd.json").write_text("{}")
    assert "is not a verification.json" in evaluate("--clean", tmp_path / "odd.json", out="other", code=2).stderr
    assert not (tmp_path / "other").exists()


def test_photos_that_are_not_there_end_with_2(evaluate, tmp_path):
    (tmp_path / "album/p0/1.png").unlink()
    assert "lacks 1 of the 24 photos" in evaluate(code=2).stderr


@pytest.fixture
def result(tmp_path):
    """A stored result of the stand-in recogniser."""
    metrics = {"recogniser": "quick", "threshold_at_far_1e-2": -0.2, "far_1e-2": 0.009, "far_1e-2_ci": [0.006, 0.013]}
    cell = {
        "key": {"model": "resnet29", "flip": True, "score": "distance"},
        "metrics": {**metrics, "tar_at_far_1e-2": 0.9},
    }
    path = tmp_path / "lfw.json"
    path.write_text(json.dumps({"recipe": "faces/lfw", "scale": "mini", "cells": [cell]}))
    return path


def test_verify_decides_at_the_stated_rate(cli, album, quick, result, pixels, tmp_path):
    folder, _ = album
    same = cli(
        "verify", folder / "p0/0.png", folder / "p0/1.png", "--calibration", result, "-o", tmp_path / "pair.png"
    ).stdout
    assert "threshold 0.200: same person" in same
    assert "0.90% (95 % interval 0.60% to 1.30%)" in same
    assert pixels(tmp_path / "pair.png").shape == (150, 310, 3)
    other = cli("verify", folder / "p0/0.png", folder / "p1/0.png", "--calibration", result).stdout
    assert "different people" in other


def test_a_threshold_comes_from_an_evaluation_with_the_same_weights(evaluate, cli, album, put, tmp_path):
    folder, _ = album
    pair = [folder / "p0/0.png", folder / "p0/1.png"]
    evaluate("--weights", "others.pt")
    path = tmp_path / "out/verification.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    measured = {"threshold_at_far_1e-2": -0.2, "far_1e-2": 0.009, "far_1e-2_ci": [0.006, 0.013], "tar_at_far_1e-2": 0.9}
    path.write_text(json.dumps({**value, "metrics": measured}))  # 24 pairs cannot measure one in a hundred
    told = cli("verify", *pair, "--calibration", path, "--weights", "others.pt").stdout
    assert "threshold 0.200: same person" in told
    assert told.endswith(f"({tmp_path / 'pairs.csv'}).\n")
    assert "with other weights; give --calibration" in cli("verify", *pair, "--calibration", path, code=5).stderr
    path.write_text(json.dumps({**value, "flip": False}))
    refused = cli("verify", *pair, "--calibration", path, "--weights", "others.pt", code=5).stderr
    assert "flip False and score distance, not True and distance" in refused


def test_each_recogniser_has_a_threshold_of_its_own(cli, album, quick, result):
    folder, _ = album
    pair = [folder / "p0/0.png", folder / "p0/1.png"]
    value = json.loads(result.read_text())
    (cell,) = value["cells"]
    own = {"recogniser": "sface", "threshold_at_far_1e-2": -1.25}
    key = {"recogniser": "sface", "flip": True, "score": "distance"}
    value["cells"].append({"key": key, "metrics": cell["metrics"] | own})
    result.write_text(json.dumps(value))
    assert "threshold 0.200" in cli("verify", *pair, "--calibration", result).stdout
    assert "threshold 1.250" in cli("verify", *pair, "--calibration", result, "--recogniser", "sface").stdout
    refused = cli("verify", *pair, "--calibration", result, "--recogniser", "faceres", code=5).stderr
    assert "was measured with other weights" in refused


def test_one_recogniser_at_a_time_and_a_known_one(cli, put, astronaut, tmp_path):
    photo = put(tmp_path / "a.png", astronaut)
    refused = cli("verify", photo, photo, "--recogniser", "arcface", code=2).stderr
    assert "recogniser 'arcface' is unknown; use resnet29, sface" in refused
    both = cli("verify", photo, photo, "--recogniser", "sface", "--weights", "some.pt", code=2).stderr
    assert "both say who compares; give one of them" in both


def test_weights_that_are_not_there_end_with_5(cli, put, astronaut, tmp_path):
    photo = put(tmp_path / "a.png", astronaut)
    assert "none.pt: cannot be read" in cli("verify", photo, photo, "--weights", tmp_path / "none.pt", code=5).stderr


def test_verify_refuses_in_one_line(cli, album, quick, result, put, tmp_path):
    folder, _ = album
    pair = [folder / "p0/0.png", folder / "p0/1.png"]
    black = put(tmp_path / "black.png", np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "there.png").touch()
    for arguments, code, words in (
        ([pair[0], black, "--calibration", result], 3, "black.png: no face was found"),
        ([*pair, "--calibration", result, "--far", "0.001"], 2, "no threshold for FAR 1e-3"),
        ([*pair, "--calibration", tmp_path / "none.json"], 5, "no such result"),
        ([*pair], 5, "was measured with other weights"),
        ([*pair, "-o", tmp_path / "a.jpg"], 2, "name it a.png"),
        ([*pair, "-o", tmp_path / "there.png"], 2, "exists already"),
        ([pair[0], tmp_path / "none.png", "--calibration", result], 4, "none.png"),
    ):
        refused = cli("verify", *arguments, code=code)
        assert words in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert refused.stdout == ""


def test_one_person_to_the_real_recogniser(cli, astronaut, put, tmp_path):
    first = put(tmp_path / "a.png", astronaut)
    second = put(tmp_path / "b.png", (np.ascontiguousarray(astronaut[:300, ::-1]) * 0.7).astype(np.uint8))
    assert ": same person" in cli("verify", first, second).stdout
