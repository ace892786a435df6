"""Against search, and against both: a mask for each photo in the same ε, alone or beside the person's noise."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from faceshield import cloak
from faceshield.cloaking import perturbation, strategy
from faceshield.cloaking.ensemble import FACENET, AlignedCrops, build_ensemble
from faceshield.cloaking.options import Options
from faceshield.cloaking.perturbation import build_face_view
from faceshield.cloaking.strategy import STRATEGIES
from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.evaluation.calibration import load_limit
from faceshield.evaluation.distractors import load_distractors
from faceshield.faces.align import align, align_150
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.imaging.photo import decode, encode, load
from faceshield.imaging.warp import from_rgb
from faceshield.models import facenet, resnet29
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.pretrained import PRETRAINED
from faceshield.models.pretrained import SURROGATES as RECOGNISERS
from faceshield.noise import vault
from faceshield.noise.mask import mask
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)
ONE = ("mobileface",)  # the recogniser that costs least, where their number is not the point


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Four steps of forty: what is tested here does not depend on how far a mask gets."""
    monkeypatch.setattr(perturbation, "mask", lambda *given, **options: mask(*given, **{**options, "steps": 4}))


@pytest.fixture(scope="module")
def detector():
    """The detector that cloaking uses: its landmarks say where the noise lies."""
    return AnyRollDetector("cpu")


@pytest.fixture
def source(put, portrait, tmp_path):
    """Two portraits of one person as PNG."""
    put(tmp_path / "in/a.png", portrait)
    put(tmp_path / "in/b.png", np.roll(portrait, 3, axis=1))
    return tmp_path / "in"


def changes(source, out, pixels):
    return [pixels(out / name) - pixels(source / name) for name in ("a.png", "b.png")]


def test_search_gives_each_photo_a_mask_of_its_own_and_keeps_no_identity(cli, source, report, pixels, tmp_path):
    result = cli("cloak", source, "-o", tmp_path / "out", "--against", "search", "--epsilon", "6/255")
    first, second = changes(source, tmp_path / "out", pixels)
    assert 4 <= np.abs(first).max() <= 6
    assert np.abs(second).max() <= 6
    assert np.abs(np.roll(first, 3, axis=1) - second).mean() > 0.2
    told = report(tmp_path / "out")
    assert told["identity"] is None
    assert "frozen recognisers" in told["about"]
    assert [photo["identity"] for photo in told["photos"]] == [None, None]
    assert not vault.exists("me")
    assert "2 cloaked" in result.stdout
    assert told["recognisers"] == list(RECOGNISERS)
    for photo in told["photos"]:
        assert set(photo["distances"]) == set(PRETRAINED), "those that no mask was made against too"
        assert "resnet29" in photo["still_matched"], "four steps are too few, and that is told"
        limits = {name: load_limit(PRETRAINED[name].sha256) for name in PRETRAINED}
        assert photo["still_matched"] == [n for n, far in photo["distances"].items() if far < limits[n]]
    assert [line.split()[2] for line in result.stderr.splitlines() if "still found" in line] == ["a.png", "b.png"]


@pytest.mark.parametrize("kept", [False, True])
def test_the_same_secret_gives_the_same_masks(kept, source, ready, hashes, tmp_path, monkeypatch):
    """The variable's secret, or that of a kept identity."""
    if kept:
        vault.save(ready)
    else:
        monkeypatch.setenv("FACESHIELD_SECRET", "5" * 32)
    made = []
    for name in ("x", "y"):
        cloak(source / "a.png", tmp_path / name, Options(against="search", recognisers=ONE, jobs=1))
        made.append(hashes(tmp_path / name)["a.png"])
    assert made[0] == made[1]


def test_both_carries_the_identitys_noise_within_a_mask(source, me, pixels, portrait, detector, tmp_path):
    cloak(source, tmp_path / "out", Options(against="both", jobs=1))
    first, _ = changes(source, tmp_path / "out", pixels)
    assert np.abs(first).max() <= 8
    face = detector.detect(portrait)[0]
    grey = np.full_like(portrait, 128)
    carried = align((grey + first).astype(np.uint8), face).image - align(grey, face).image
    inside = (slice(None), slice(24, 104), slice(24, 104))
    assert np.corrcoef(carried[inside].flatten(), me.delta[inside].flatten())[0, 1] > 0.2
    assert vault.load("me").delta.equal(me.delta)


def test_both_goes_into_other_processes(me, faced):
    options = Options(against="both", recognisers=ONE, jobs=1)
    made = STRATEGIES["both"].build_perturbation(options, me, faced[1], RUNTIME)
    there = pickle.loads(pickle.dumps(made))
    faces = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    one, other = (mask.pattern_loss(faces, torch.Generator().manual_seed(1)) for mask in (made, there))
    assert float(one) == float(other) > 0


@pytest.mark.slow
def test_resume_goes_on_with_the_same_kind_only(cli, source, put, portrait, ready, report, tmp_path):
    search = ("cloak", source, "-o", tmp_path / "out", "--against", "search", "--recogniser", *ONE)
    cli(*search)
    put(source / "c.png", portrait[:, ::-1].copy())
    cli(*search, "--resume")
    assert [photo["status"] for photo in report(tmp_path / "out")["photos"]] == ["cloaked"] * 3
    vault.save(ready)  # else a noise is made first
    refused = cli("cloak", source, "-o", tmp_path / "out", "--resume", code=2)
    assert "another against, recognisers;" in refused.stderr


def test_photos_without_a_face_are_left_unprotected(cli, put, report, tmp_path):
    put(tmp_path / "in/grey.png", np.full((120, 90, 3), 128, np.uint8))
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--against", "search", code=3)
    assert report(tmp_path / "out")["photos"][0]["status"] == "unprotected"


@pytest.fixture
def faced(portrait, detector):
    """The portrait as a mask is made on it, and the crops of its face."""
    face = detector.detect(portrait)[0]
    return build_face_view(from_rgb(portrait).float() / 255, face), [AlignedCrops.of(portrait, face)]


def test_masks_lead_to_the_people_least_like_the_person(faced):
    _, faces = faced
    for surrogate in build_ensemble(PRETRAINED, faces, RUNTIME):
        targets = load_distractors(surrogate.name).targets
        distance = (targets - surrogate.person).norm(dim=1)
        assert len(surrogate.targets) == len(distance) // 2
        nearest = float((surrogate.targets - surrogate.person).norm(dim=1).min())
        assert nearest >= float(distance.sort().values[len(distance) // 2 - 1])
        assert nearest > load_limit(PRETRAINED[surrogate.name].sha256)


def test_each_recogniser_sees_the_photo_as_it_saw_the_person(faced):
    sight, faces = faced
    for surrogate in build_ensemble(PRETRAINED, faces, RUNTIME):
        watcher = surrogate.feature_loss(sight, torch.Generator().manual_seed(1))
        # one face on two ways to its crop
        assert float(torch.dist(watcher.centre, surrogate.person[0])) < 0.1
        assert any(watcher.target.equal(target) for target in surrogate.targets)


def test_without_scatter_masks_lead_to_nobody(faced, source, cli, report, tmp_path):
    sight, faces = faced
    known = build_ensemble(PRETRAINED, faces, RUNTIME, scatter=False)
    assert [surrogate.feature_loss(sight, torch.Generator()).target for surrogate in known] == [None] * 5
    cli("cloak", source / "a.png", "-o", tmp_path / "out", "--against", "search", "--no-scatter", "--recogniser", *ONE)
    assert report(tmp_path / "out")["options"]["scatter"] is False


@pytest.fixture
def inception():
    """The user's own recogniser, but for its weights."""
    torch.manual_seed(0)
    network = InceptionResnetV1(1)
    network.head = torch.nn.Identity()
    return network.eval().requires_grad_(False)


def test_the_users_recogniser_is_one_more_surrogate_and_sees_its_crop(faced, inception):
    sight, faces = faced
    last = build_ensemble((), faces, RUNTIME, inception=inception)[-1]
    watcher = last.feature_loss(sight, torch.Generator())
    assert watcher.target is None
    assert float(watcher.centre.norm()) == pytest.approx(1, abs=1e-2)
    seen = sight.crop_near(128, [watcher.spec])
    assert float((seen.cut(seen.photo, watcher.spec)[0] - faces[0].crops[FACENET]).abs().mean()) < 0.01
    made = mask(sight, [watcher], Budget(), torch.Generator().manual_seed(1), steps=4)
    before, after = (watcher.embed(sight.cut(photo, watcher.spec)) for photo in (sight.photo, sight.with_noise(made)))
    before, after = (float((normalize(out.float()) - watcher.centre).norm()) for out in (before, after))
    assert after > 1.3 * before  # fresh weights tell hardly any two pictures apart


@pytest.mark.slow
def test_the_users_recogniser_is_read_before_any_work_and_used(cli, source, inception, pixels, tmp_path, monkeypatch):
    fault = cli("cloak", source, "-o", tmp_path / "no", "--against", "search", "--weights", tmp_path / "x.pt", code=5)
    assert "x.pt: cannot be read" in fault.stderr
    assert not (tmp_path / "no").exists()
    monkeypatch.setattr(facenet, "load", lambda path: inception)
    monkeypatch.setenv("FACESHIELD_SECRET", "5" * 32)
    search = ("cloak", source / "a.png", "--against", "search", "--recogniser", *ONE)
    cli(*search, "-o", tmp_path / "a", "--weights", tmp_path / "x.pt")
    cli(*search, "-o", tmp_path / "b")
    with_it, without = (pixels(tmp_path / name / "a.png") - pixels(source / "a.png") for name in "ab")
    assert np.abs(with_it).max() <= 8
    assert np.abs(with_it - without).max() >= 2


def test_the_distance_told_is_that_of_the_written_bytes(source, portrait, detector, tmp_path):
    cloak(source, tmp_path / "out", Options(against="search", recognisers=("resnet29",), jobs=1))
    report = json.loads((tmp_path / "out/faceshield.json").read_text(encoding="utf-8"))
    photo, network = report["photos"][0], resnet29.load()
    written = load(tmp_path / "out" / photo["output"]).rgb8()
    pictures = [written, portrait, np.roll(portrait, 3, axis=1)]
    faces = [detector.detect(portrait)[0], *(detector.detect(rgb)[0] for rgb in pictures[1:])]
    crops = [align_150(rgb, face).image for rgb, face in zip(pictures, faces, strict=True)]
    masked, *clean = ((network(x[None]) + network(x[None].flip(-1)))[0] / 2 for x in crops)
    assert photo["distances"]["resnet29"] == pytest.approx(
        min(float(torch.dist(masked, other)) for other in clean), abs=2e-3
    )


@pytest.mark.parametrize("quality", ["same", 60])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_is_foreseen_as_it_will_be_written(put, portrait, quality, subsampling, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(portrait).save(path, quality=71, subsampling=subsampling)
    photo = load(path)
    rgb = photo.rgb8()
    codec = perturbation.find_codec(photo, Options(quality=quality))
    ours = codec(from_rgb(rgb).float() / 255)[0].permute(1, 2, 0).numpy() * 255
    theirs = decode(encode(photo, rgb, quality=quality).data, path).rgb8().astype(float)
    assert np.abs(ours - theirs).mean() < 1
    assert np.abs(ours - theirs).mean() < 0.5 * np.abs(theirs - rgb).mean() or quality == "same"  # hardly changes then
    assert perturbation.find_codec(photo, Options(format="png")) is None
    assert perturbation.find_codec(load(put(tmp_path / "b.png", portrait)), Options()) is None


def test_choices_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="use them with against search"):
        Options(weights="vggface2.pt")
    with pytest.raises(UsageError, match="leave out one"):
        Options(fast=True, against="search")
    for name in ("against", "format", "metadata"):
        with pytest.raises(UsageError, match=f"{name} 'other' is unknown; use"):
            Options(**{name: "other"})
    with pytest.raises(UsageError, match="quality 'high' is out of range"):
        Options(quality="high")


def test_a_mask_on_a_public_noise_knows_all_photos_of_the_person(source, tmp_path, monkeypatch):
    known = []
    monkeypatch.setattr(strategy, "build_ensemble", lambda names, faces, *rest, **more: known.append(len(faces)) or [])
    monkeypatch.setattr(strategy, "build_witnesses", lambda *given: [])
    monkeypatch.setattr(perturbation, "mask", lambda *given, **more: torch.zeros(3, 128, 128))
    cloak(source, tmp_path / "out", Options(against="both", fast=True, jobs=1))
    assert known == [2]


def test_a_place_for_identities_that_cannot_be_written_is_told_before_noise_is_made(cli, source, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACESHIELD_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("faceshield.cloaking.run.make_identity", None)
    refused = cli("cloak", source, "-o", tmp_path / "out", code=5)
    assert "set FACESHIELD_HOME" in refused.stderr


def test_grey_photos_stay_grey(put, portrait, pixels, tmp_path):
    put(tmp_path / "in/g.png", portrait[..., 1])
    cloak(tmp_path / "in", tmp_path / "out", Options(against="search", recognisers=ONE, jobs=1))
    made = pixels(tmp_path / "out/g.png")
    assert made.ndim == 2
    assert np.abs(made - pixels(tmp_path / "in/g.png")).max() >= 3


def test_the_default_makes_no_mask(cli, source, me, report, tmp_path, monkeypatch):
    monkeypatch.setattr(perturbation, "mask", None)
    cli("cloak", source, "-o", tmp_path / "out")
    assert torch.equal(vault.load("me").delta, me.delta)
    assert report(tmp_path / "out")["photos"][0]["distances"] is None


@pytest.mark.parametrize(
    ("against", "identity", "masks", "fast"),
    [("training", True, False, 1), ("search", False, True, 60), ("both", True, True, 60)],
)
def test_a_strategy_says_what_it_needs(against, identity, masks, fast, monkeypatch):
    chosen = STRATEGIES[against]
    assert (chosen.word, chosen.needs_identity, chosen.makes_masks) == (against, identity, masks)
    assert (chosen.max_viewed(False), chosen.max_viewed(True)) == (60, fast)
    asked = []
    monkeypatch.setattr(strategy, "find_file", asked.append)
    chosen.require_weights(Options(against=against))
    assert ("identity_bank" in asked) == identity
    assert ("distractors_resnet29" in asked) == masks


def test_missing_weights_stop_a_run_before_photos_are_looked_at(source, tmp_path, monkeypatch):
    def refuse(name):
        raise StoreError(f"{name}: missing")

    monkeypatch.setattr(strategy, "find_file", refuse)
    monkeypatch.setattr("faceshield.cloaking.run.find_person", None)
    with pytest.raises(StoreError, match="missing"):
        cloak(source, tmp_path / "out", Options(against="search"))
