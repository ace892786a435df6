"""The face case study on drawn people: who carries which noise, who is tested on what, and the floors beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.core.rng import derive_seed
from faceshield.core.types import Face
from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import concatenate
from faceshield.evaluation.roc import roc
from faceshield.experiments.engine.experiment import describe_sources
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import lfw as aligning
from faceshield.experiments.faces import recognition as recognising
from faceshield.experiments.faces import verification as verifying
from faceshield.experiments.faces.identities import (
    HandedKey,
    IdentitySettings,
    assign_noise,
    read_others,
    read_people,
)
from faceshield.experiments.faces.recognition import EXPERIMENT as RECOGNITION
from faceshield.experiments.faces.verification import EXPERIMENT as VERIFICATION
from faceshield.experiments.registry import load_experiment
from faceshield.models.recognition import build_network
from faceshield.models.resnet import resnet18
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.surrogate import load_bank
from faceshield.training.attack import AUGMENTS, attack
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded

recognition = RECOGNITION.run

verification = VERIFICATION.run

RECIPES = ["recognition", "inception", "verification"]
IDENTITIES = {
    "people": "fabricated", "others": "fabricated", "identities": 4, "classes": 6, "photos": 20, "protect": 3,
    "size": 16, "width": 2, "epochs": 1, "lr": 0.1, "surrogate_width": 2, "fit_steps": 2, "rounds": 2,
}  # fmt: skip
PAIRS = {**IDENTITIES, "classes": 8, "protect": 4, "lfw": "fabricated", "pairs": 8, "replicates": 20}
TRANSFERRED = {"noise": "error-min", "variant": "transferred"}
JOINT = {"noise": "error-min", "variant": "joint"}


@pytest.fixture
def own():
    return IdentitySettings.model_validate(IDENTITIES)


@pytest.fixture
def attacked(monkeypatch):
    """(training, clean, protected) of each attack."""
    seen = []

    def spy(training, clean, protected, *of, **how):
        seen.append((training, clean, list(protected)))
        return attack(training, clean, protected, *of, **how)

    monkeypatch.setattr(recognising, "attack", spy)
    return seen


def by_hand(data, seed, own, context):
    method = ErrorMin(rounds=own.rounds, fit_steps=own.fit_steps, subset=own.subset, view=AUGMENTS["crop-flip"])
    network = build_seeded(
        lambda: resnet18(len(data.classes), width=own.surrogate_width, stem="stride2"), derive_seed(seed, "surrogate")
    )
    return method.generate(data, learner(network, context.runtime, lr=0.1), seed=seed).delta


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_hold_at_every_scale(name, root):
    recipe = read_recipe(root / f"recipes/faces/{name}.yaml")
    assert load_experiment(recipe) in (RECOGNITION, VERIFICATION)
    assert {"smoke", "mini", "paper"} <= set(recipe.scales)
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells())


def test_a_run_can_be_planned_before_its_data_is_there(context):
    settings = verifying.VerificationSettings(**{**PAIRS, "people": "faces", "others": "fabricated", "lfw": "lfw"})
    assert describe_sources(HandedKey(noise="none"), settings, context) == "faces lfw"
    (context.data / "faces/ann").mkdir(parents=True)
    (context.data / "faces/ann/1.jpg").write_bytes(b"1")
    seen = describe_sources(HandedKey(noise="none"), settings, context)
    assert seen == f"{fingerprint(context.data / 'faces')} lfw"


def test_nobodys_photos_are_in_two_places(own, context):
    people, others = read_people(own, context), read_others(own, context)
    assert not {*people.classes} & {*others.classes}
    assert len(others.classes) == 4
    assert people.images.shape == (120, 3, 16, 16)


@pytest.mark.slow
def test_transferred_noise_is_that_of_the_others_by_rank(own, context):
    names = read_people(own, context).classes[-3:]
    noise = assign_noise(HandedKey(**TRANSFERRED), 5, read_people(own, context), names, own, context)
    torch.testing.assert_close(noise.delta, by_hand(read_others(own, context), 5, own, context)[:3], rtol=0, atol=0)
    assert noise.keys == names
    stronger = assign_noise(
        HandedKey(**TRANSFERRED),
        5,
        read_people(own, context),
        names,
        own.model_copy(update={"epsilon_255": 16}),
        context,
    )
    assert stronger.budget.epsilon == pytest.approx(16 / 255)


def test_joint_noise_is_made_with_its_owners_training_photos(own, context):
    people = read_people(own, context)
    training = people.select(~people.hold_out(0.2, seed=0))
    names = people.classes[-3:]
    noise = assign_noise(HandedKey(**JOINT), 5, training, names, own, context)
    theirs = training.select(training.labels >= 3)
    data = concatenate([read_others(own, context), type(people)(theirs.images, theirs.labels - 3, theirs.ids, names)])
    torch.testing.assert_close(noise.delta, by_hand(data, 5, own, context)[-3:], rtol=0, atol=0)


def test_banks_noise_is_framed_like_the_photos(own, context):
    noise = assign_noise(HandedKey(**{"noise": "bank"}), 0, read_people(own, context), ["a", "b"], own, context)
    levels = (load_bank().delta[:2] * 255).round() + 100
    expected = crop_canvas(levels.to(torch.uint8), 16).float() - 100
    assert (noise.delta * 255 - expected).abs().max() <= 0.51


def test_noise_is_made_once_for_all_that_decides_it(own, context):
    people = read_people(own, context)
    for _ in range(2):
        assign_noise(HandedKey(**TRANSFERRED), 0, people, people.classes[-3:], own, context)
    kept = list(context.work.glob("noise-*"))
    assert len(kept) == 1
    made = kept[0].stat().st_mtime_ns
    stronger = own.model_copy(update={"epsilon_255": 16})
    assign_noise(HandedKey(**TRANSFERRED), 0, people, people.classes[-3:], stronger, context)
    assert kept[0].stat().st_mtime_ns == made
    assert len(list(context.work.glob("noise-*"))) == 2


def test_what_is_unknown_or_too_few_is_refused(own, context):
    people = read_people(own, context)
    with pytest.raises(UsageError, match=r"noise: 'error-mim' is unknown; .*did you mean 'error-min'"):
        recognition({"noise": "error-mim"}, 0, IDENTITIES, context)
    with pytest.raises(UsageError, match="variant: 'handed' is unknown"):
        recognition({**TRANSFERRED, "variant": "handed"}, 0, IDENTITIES, context)
    with pytest.raises(UsageError, match="needs a variant"):
        assign_noise(HandedKey(noise="error-min"), 0, people, people.classes[:1], own, context)
    with pytest.raises(UsageError, match="6 people are to be protected by 4 noises"):
        assign_noise(HandedKey(**TRANSFERRED), 0, people, people.classes, own, context)
    with pytest.raises(UsageError, match="model 'resnet19' is unknown"):
        build_network("resnet19", 2, 16)
    with pytest.raises(UsageError, match="protect 6"):
        read_people(own.model_copy(update={"protect": 6}), context)


def test_recognition_protects_training_photos_of_the_last_people_alone(attacked, context, own):
    keys = [{"noise": "none", "model": "resnet18"}, {**TRANSFERRED, "model": "resnet18"}]
    metrics = [recognition(key, 0, IDENTITIES, context) for key in keys]
    (clean, test, protected), (noisy, same_test, _) = attacked
    assert protected == [3, 4, 5]
    assert not {*clean.ids} & {*test.ids}
    assert same_test.images.equal(test.images)
    change = (noisy.images.int() - clean.images.int()).flatten(1).abs().amax(1)
    assert change[clean.labels < 3].max() == 0
    assert change[clean.labels >= 3].min() >= 1
    assert change.max() <= 8
    assert metrics[1]["rounds"] == 2
    assert "rounds" not in metrics[0]
    assert metrics[0]["training_photos"] + metrics[0]["test_photos"] == 120


def test_partial_verification_pairs_clean_photos_that_nobody_trained_on(context, monkeypatch):
    trained = []
    real = verifying.train
    monkeypatch.setattr(
        verifying, "train", lambda net, data, *of, **how: trained.append(data) or real(net, data, *of, **how)
    )
    seen = []
    measure = verifying.Probe.scores
    monkeypatch.setattr(verifying.Probe, "scores", lambda probe, *of: seen.append(probe) or measure(probe, *of))
    metrics = verification({"setting": "partial", **TRANSFERRED}, 0, PAIRS, context)
    for probe in seen:
        assert not {*probe.ids} & {*trained[0].ids}
        people = {id.partition("/")[0] for id in probe.pairs.ids()}
        assert people <= (
            {f"1-f0{n}" for n in range(4, 8)} if probe.name == "protected_" else {f"1-f0{n}" for n in range(4)}
        )
    for group in ("protected_", "others_"):
        assert metrics[f"{group}auc_above_untrained"] == metrics[f"{group}auc"] - metrics[f"{group}auc_untrained"]
        low, high = metrics[f"{group}auc_ci"]
        assert low <= high
        assert metrics[f"{group}pairs"] == 16


def test_full_verification_gives_everybody_noise_and_measures_the_floor(context, monkeypatch):
    trained = []
    monkeypatch.setattr(verifying, "train", lambda net, data, *of, **how: trained.append(data))
    settings = {**PAIRS, "identities": 8}
    metrics = verification({"setting": "full", **TRANSFERRED}, 0, settings, context)
    wanted = IdentitySettings.model_validate({**IDENTITIES, "classes": 8})
    change = (trained[0].images.int() - read_people(wanted, context).images.int()).flatten(1).abs().amax(1)
    assert change.min() >= 1
    assert metrics["training_photos"] == 160
    # nothing was trained: the network is its own floor
    assert metrics["auc_above_untrained"] == 0
    assert metrics["auc"] == metrics["auc_untrained"] != metrics["auc_pixels"]


def test_lfws_photos_are_aligned_once_and_a_missing_face_is_no_match(context, monkeypatch, put, tmp_path):
    rng = np.random.default_rng(0)
    names = [f"P_{n}" for n in "abcdef"]
    for name in names:
        for number in (1, 2):
            dark = (name, number) == ("P_a", 2)
            pixels = rng.integers(0 if dark else 40, 1 if dark else 255, (250, 250, 3)).astype(np.uint8)
            put(tmp_path / f"lfw/images/{name}/{name}_000{number}.jpg", pixels)
    lines = ["2\t2"]
    for a, b, c in (names[:3], names[3:]):
        lines += [f"{a}\t1\t2", f"{b}\t1\t2", f"{a}\t1\t{b}\t1", f"{b}\t1\t{c}\t2"]
    (tmp_path / "lfw/pairs.txt").write_text("\n".join(lines) + "\n")
    points = np.array([[105, 115], [145, 115], [125, 139], [110, 160], [140, 160]], np.float32)
    asked = []

    class Detector:
        def __init__(self, device):
            pass

        def detect(self, rgb):
            asked.append(1)
            return [Face(np.array([90, 80, 160, 180], np.float32), points, 1.0)] if rgb.max() > 10 else []

    monkeypatch.setattr(aligning, "AnyRollDetector", Detector)
    own = verifying.VerificationSettings.model_validate({**PAIRS, "lfw": "lfw"})
    probe = verifying._read_lfw(own, context)
    assert (len(asked), len(probe.ids), int((~probe.found).sum())) == (12, 10, 1)
    scores = probe.scores(verifying._flatten_pixels, torch.device("cpu"))
    assert (scores == -np.inf).tolist() == [pair == ("P_a/P_a_0001.jpg", "P_a/P_a_0002.jpg") for pair in
                                            zip(probe.pairs.left, probe.pairs.right, strict=True)]  # fmt: skip
    assert 0 <= roc(scores, probe.pairs.same).auc <= 1
    again = verifying._read_lfw(own, context)
    assert again.images.equal(probe.images)
    assert len(asked) == 13  # the dark one is looked at again
