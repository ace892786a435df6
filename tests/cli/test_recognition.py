"""faceshield evaluate recognition: trains on what was published, asks about clean photos that were not."""

from __future__ import annotations

import json

import pytest

from faceshield.data.synthetic import synthesize_people
from faceshield.training import attack as attacking


@pytest.fixture
def folders(tmp_path, put):
    """Clean photos of three people, and the published ones as PNG, the last person's all of one grey."""
    people = synthesize_people(3, 10, seed=3, size=32)
    for image, id, label in zip(people.images, people.ids, people.labels.tolist(), strict=True):
        pixels = image.permute(1, 2, 0).numpy()
        put(tmp_path / f"clean/{id}.jpg", pixels, quality=95)
        put(tmp_path / f"published/{id}.png", pixels if label < 2 else pixels * 0 + 128)
    return tmp_path


def test_the_test_is_clean_and_not_trained_on(cli, folders, monkeypatch):
    trained = []
    real = attacking.train
    monkeypatch.setattr(
        attacking, "train", lambda net, data, *of, **how: trained.append(data) or real(net, data, *of, **how)
    )
    words = ["--train", folders / "published", "--clean", folders / "clean", "--protected", "f02"]
    done = cli(
        "evaluate", "recognition", *words, "-o", folders / "out", "--size", 24, "--width", 16, "--epochs", 24
    )  # fmt: skip
    value = json.loads((folders / "out/recognition.json").read_text())
    metrics = value["metrics"]
    assert (metrics["training_photos"], metrics["test_photos"]) == (24, 6)
    assert trained[0].images[trained[0].labels == 2].unique().tolist() == [128]
    assert metrics["protected_accuracy"] == 0
    assert metrics["others_accuracy"] >= 0.5
    assert f"others_accuracy: {metrics['others_accuracy']:.1%}" in done.stdout
    assert "chance: 33.3%" in done.stdout
    assert value["setting"]["protected"] == ["f02"]


def test_an_unknown_person_is_refused(cli, folders):
    words = ["--train", folders / "published", "--clean", folders / "clean", "--protected", "f09"]
    done = cli("evaluate", "recognition", *words, "-o", folders / "out", code=2)
    assert "has no person 'f09'" in done.stderr


def test_a_person_without_a_test_photo_is_refused_before_the_training(cli, folders, monkeypatch):
    monkeypatch.setattr(attacking, "train", None)
    for path in sorted((folders / "clean/f01").iterdir())[2:]:
        path.unlink()
    words = ["--train", folders / "published", "--clean", folders / "clean", "--protected", "f01", "--size", 24]
    refused = cli("evaluate", "recognition", *words, "-o", folders / "out", code=2)
    assert "too few photos of 'f01' to test" in refused.stderr


def test_where_all_are_protected_nothing_is_said_of_others(cli, folders):
    words = ["--train", folders / "published", "--clean", folders / "clean", "--size", 24, "--width", 4, "--epochs", 1]
    everybody = [word for name in ("f00", "f01", "f02") for word in ("--protected", name)]
    done = cli("evaluate", "recognition", *words, *everybody, "-o", folders / "out")
    assert "others_accuracy" not in done.stdout
    assert "others_accuracy" not in json.loads((folders / "out/recognition.json").read_text())["metrics"]
