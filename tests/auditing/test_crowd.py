"""The audit's trained recognisers: who is trained on and tested, the battery's lines, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from faceshield.attacks.collected import collect, make_pairs
from faceshield.attacks.table import COUNTERMEASURES
from faceshield.auditing import crowd as module
from faceshield.auditing.crowd import SETTINGS, count_epochs, read_crowd, train_recognisers
from faceshield.auditing.framing import STORED, Collector
from faceshield.auditing.sides import Side
from faceshield.core.errors import PhotoError, UsageError
from faceshield.data.synthetic import synthesize_people
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)
SMALL = {"size": 32, "width": 4, "epochs": 1, "steps": 1, "lr": 0.1}


class Plain(Collector):
    """Takes whole pictures for faces, but for those that are all of one colour."""

    def __init__(self):
        self.size = STORED

    def frame(self, path, example=""):
        with Image.open(path) as file:
            face = np.asarray(file.convert("RGB").resize((self.size, self.size)))
        return None if face.std() < 1 else face


@pytest.fixture
def folders(put, tmp_path):
    """Six clean and four cloaked drawings of f03; f00 and f01 with five photos each, f02 with two and a blank."""
    people = synthesize_people(4, 10, seed=1, size=STORED)
    pictures = people.images.permute(0, 2, 3, 1).numpy()
    for id, picture in zip(people.ids, pictures, strict=True):
        person, number = id.split("/")
        if person == "f03":
            put(tmp_path / ("clean" if int(number) < 6 else "cloaked") / f"{number}.png", picture)
        elif int(number) < (2 if person == "f02" else 5):
            put(tmp_path / "crowd" / f"{id}.png", picture)
    put(tmp_path / "crowd/f02/blank.png", np.full((40, 40, 3), 9, np.uint8))
    return tmp_path


def side(root):
    return Side(root, tuple(sorted(path.name for path in root.iterdir())), torch.zeros(0, 128), ())


def sides(root):
    return {"clean": side(root / "clean"), "cloaked": side(root / "cloaked")}


def run(root, counters=(), **options):
    people = read_crowd(root / "crowd", [root / "clean", root / "cloaked"])
    return train_recognisers(sides(root), people, counters, RUNTIME, settings=SMALL, collector=Plain(), **options)


@pytest.fixture
def trainings(monkeypatch):
    """What each training was given: (training, clean, protected, settings)."""
    seen = []
    known = module.attack

    def spy(training, clean, protected, seed, runtime, **how):
        seen.append((training, clean, protected, how))
        return known(training, clean, protected, seed, runtime, **how)

    monkeypatch.setattr(module, "attack", spy)
    return seen


def own(examples, label):
    return [id for id, at in zip(examples.ids, examples.labels.tolist(), strict=True) if at == label]


def test_both_trainings_get_as_many_photos_and_the_test_none_of_them(folders, trainings):
    made = run(folders)
    (before, test, who, _), (after, again, _, _) = trainings
    assert who == [3]
    assert test.classes == before.classes == after.classes == ("f00", "f01", "f02", module.PERSON)
    assert len(own(before, 3)) == len(own(after, 3)) == made.photos == 3
    assert {*own(before, 3), *own(test, 3)} == {f"{n:03d}.png" for n in range(6)}
    assert not {*own(before, 3)} & {*own(test, 3)}
    assert {*own(after, 3)} <= {f"{n:03d}.png" for n in range(6, 10)}
    assert test.images.equal(again.images)
    assert [own(before, n) for n in range(3)] == [own(after, n) for n in range(3)]
    assert [len(own(test, n)) for n in range(3)] == [1, 1, 0]  # a fifth; of two photos none
    assert (made.tested, made.people, made.crowd, made.others_tested) == (3, 3, 10, 2)
    assert (made.lost, made.dropped) == ({"clean": 0, "cloaked": 0, "crowd": 1}, ())
    assert all(told["chance"] == 1 / 4 for told in made.metrics.values())


def test_few_cloaked_photos_cut_both_trainings(folders, trainings):
    for name in ("008.png", "009.png"):
        (folders / "cloaked" / name).unlink()
    made = run(folders)
    assert [len(own(training, 3)) for training, *_ in trainings] == [2, 2]
    assert (made.photos, made.tested) == (2, 4)


def test_the_last_lines_are_the_batterys(folders, trainings):
    heard = []
    counters = ["grey", "projection", "adversarial-training", "grey", "none"]
    made = run(folders, counters, progress=lambda *told: heard.append(told))
    assert list(made.metrics) == [("clean", "none"), *(("cloaked", n) for n in ("none", *counters[:3]))]
    (_, plain, *_), (after, *_), (grey, test, *_), (projected, clean, *_), _ = trainings
    for pictures in (grey.images, test.images):
        assert (pictures.amax(1) - pictures.amin(1)).max() == 0
    assert clean.images.equal(plain.images)  # the training pictures alone are projected
    assert not projected.images.equal(after.images)
    assert own(projected, 3) == own(after, 3)
    assert [told[1:] for told in heard if told[0] == "training recognisers"] == [(n, 5) for n in range(6)]


@pytest.mark.parametrize(("photos", "epochs"), [(3579, 20), (980, 69), (64, 1100), (65, 550)])
def test_a_small_crowd_is_trained_on_for_as_many_steps(photos, epochs):
    assert count_epochs(photos, COUNTERMEASURES["none"], SETTINGS) == epochs
    assert count_epochs(photos, COUNTERMEASURES["adversarial-training"], SETTINGS) == -(-2 * epochs // 3)


def test_every_line_of_the_battery_runs_at_the_collectors_size():
    photos = synthesize_people(3, 4, seed=2, size=STORED)
    for against in COUNTERMEASURES.values():
        if against.pictures is not None:
            handled = collect(photos, against, 32, margin=0)
            assert handled.images.shape == (12, 3, 32, 32)
            assert not handled.images.equal(collect(photos, COUNTERMEASURES["none"], 32, margin=0).images)


def test_a_purifier_gets_pairs_a_public_noise_apart():
    clean = torch.full((3, 3, STORED, STORED), 128, dtype=torch.uint8)
    pairs = make_pairs(clean, STORED, torch.Generator().manual_seed(0), margin=0)
    apart = (pairs.cloaked.int() - pairs.clean.int()).abs()
    assert 4 <= apart.amax() <= 8
    assert (apart.flatten(1).amax(1) > 0).all()


def test_a_crowd_that_is_none_is_refused(folders, put):
    picture = np.zeros((9, 9, 3), np.uint8)
    put(folders / "lone/a/1.png", picture)
    with pytest.raises(UsageError, match=r"holds photos of 1 person; a crowd needs at least 2"):
        read_crowd(folders / "lone", [])
    put(folders / "lone/b/1.png", picture)
    put(folders / "lone/b/2.png", picture)
    with pytest.raises(UsageError, match="person 'a' has 1 photo"):
        read_crowd(folders / "lone", [])
    with pytest.raises(UsageError, match="keep the person's elsewhere"):
        read_crowd(folders, [folders / "clean"])
    with pytest.raises(UsageError, match="keep the person's elsewhere"):
        read_crowd(folders / "clean/crowd", [folders / "clean"])
    with pytest.raises(UsageError, match="is no folder"):
        read_crowd(folders / "absent", [])


def test_photos_that_do_not_suffice_are_refused(folders, put):
    blank = np.full((40, 40, 3), 9, np.uint8)
    with pytest.raises(UsageError, match="countermeasure 'wash' is unknown"):
        run(folders, ["wash"])
    for number in range(1, 5):
        put(folders / f"crowd/f00/{number:03d}.png", blank)
    made = run(folders)
    assert (made.dropped, made.people, made.lost["crowd"]) == (("f00",), 2, 5)
    put(folders / "crowd/f02/000.png", blank)
    with pytest.raises(UsageError, match="with a face in 2 photos or more: 1; give at least 2"):
        run(folders)
    for number in range(3):
        put(folders / f"clean/{number:03d}.png", blank)
    with pytest.raises(UsageError, match="a face was found in 3 photos; training needs at least 4 clean ones"):
        run(folders)
    for path in (folders / "cloaked").iterdir():
        put(path, blank)
    with pytest.raises(UsageError, match=r"no face was found in .*006\.png nor in 3 more"):
        run(folders)


def test_a_crowd_of_pairs_leaves_nothing_to_test(folders):
    for person in ("f00", "f01"):
        for number in (2, 3, 4):
            (folders / f"crowd/{person}/{number:03d}.png").unlink()
    with pytest.raises(UsageError, match="the crowd has no photo to test"):
        run(folders)


def test_the_collector_keeps_a_square_of_the_face_and_names_what_is_no_picture(put, portrait, tmp_path):
    collector = Collector(STORED, margin=module.MARGIN)
    face = collector.frame(put(tmp_path / "a.png", portrait))
    assert face.shape == (STORED, STORED, 3)
    assert collector.frame(put(tmp_path / "b.png", np.full((90, 90, 3), 128, np.uint8))) is None
    assert collector.frame(put(tmp_path / "icon.png", portrait[:15, :15])) is None
    (tmp_path / "c.jpg").write_text("no picture")
    with pytest.raises(PhotoError, match=r"c\.jpg"):
        collector.frame(tmp_path / "c.jpg")
