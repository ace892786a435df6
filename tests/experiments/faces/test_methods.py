"""methods/faces on drawn people: who wears what, made once, and no more visible than what the command makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.types import Noise
from faceshield.data.synthetic import synthesize_people
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.visibility import delta_e
from faceshield.experiments.engine.plan import plan
from faceshield.experiments.engine.recipe import read_recipe
from faceshield.experiments.faces import method_noises as making
from faceshield.experiments.faces import methods as experiment
from faceshield.experiments.faces.equal_look import measure, shrink
from faceshield.experiments.faces.methods import EXPERIMENT, MethodsSettings
from faceshield.experiments.registry import load_experiment

run = EXPERIMENT.run


@pytest.fixture
def recipe(root):
    return read_recipe(root / "recipes/methods/faces.yaml")


@pytest.fixture
def settings(recipe):
    return {**recipe.at("smoke"), "epochs": 1}


@pytest.fixture
def attacked(monkeypatch):
    """(training, clean, protected) of each attack; nobody is trained."""
    seen = []

    def attack(training, clean, protected, *of, **how):
        seen.append((training, clean, list(protected)))
        return {"protected_accuracy": 0.0}

    monkeypatch.setattr(experiment, "attack", attack)
    return seen


@pytest.fixture
def tailored(monkeypatch):
    """Private noises that take no time."""

    def fit(photos, bank, ensemble, secret, view, steps, context):
        assert len(photos) <= making.PHOTOS
        return torch.full((3, 128, 128), 3 / 255)

    monkeypatch.setattr(making, "fit", fit)


def test_its_words_are_known(recipe, settings, context):
    assert load_experiment(recipe) is EXPERIMENT
    for bar in recipe.expected:
        assert any(bar.covers(key) for key in recipe.cells()), bar
    with pytest.raises(UsageError, match="noise: 'taylored' is unknown; use none, left-out, tailored, "):
        run({"noise": "taylored", "countermeasure": "none"}, 0, settings, context)
    with pytest.raises(UsageError, match="'tailored' is unknown; use random"):
        run({"noise": "tailored+pil", "countermeasure": "none"}, 0, settings, context)
    with pytest.raises(UsageError, match="learns from pairs"):
        run({"noise": "none", "countermeasure": "purify"}, 0, settings, context)
    with pytest.raises(UsageError, match="noise 'sep' has 0 entries in generate and needs one, such as 'sep sample'"):
        MethodsSettings(**{name: settings[name] for name in settings if name != "seeds"}).find_form("sep")


def test_a_cell_is_run_again_when_the_settings_of_a_noise_that_it_joins_change(recipe):
    def digests():
        return {cell.key["noise"]: cell.digest for cell in plan(recipe, "smoke")}

    before = digests()
    recipe.scales["smoke"].model_extra["generate"]["pil sample"]["steps"] = 3
    after = digests()
    assert {name for name in before if before[name] != after[name]} == {"error-min+pil"}


@pytest.mark.slow
def test_each_cell_of_the_smoke_scale_runs(recipe, context):
    for key in recipe.cells("smoke"):
        metrics = run(key, 0, recipe.at("smoke"), context)
        assert 0 <= metrics["protected_accuracy"] <= metrics["protected_accuracy_peak"] <= 1
        if key["noise"] not in ("none", "left-out"):
            assert metrics["linf_255"] <= 8
            assert metrics["noise_cpu_seconds_per_1000"] > 0


@pytest.mark.parametrize("name", ["none", "left-out", "lsp"])
def test_the_last_people_wear_the_noise_and_are_tested_without(settings, context, attacked, tailored, name):
    metrics = run({"noise": name, "countermeasure": "none"}, 0, settings, context)
    (training, clean, protected), people = attacked[0], synthesize_people(5, 8, seed=1)
    assert protected == [2, 3]
    assert training.classes == clean.classes == people.classes[1:]
    framed = experiment.collect(people, experiment.find_countermeasure("none"), settings["size"])
    was = dict(zip(framed.ids, framed.images, strict=True))
    assert all(was[id].equal(picture) for id, picture in zip(clean.ids, clean.images, strict=True))
    assert not {*clean.ids} & {*training.ids}
    changed = {
        int(label)
        for id, picture, label in zip(training.ids, training.images, training.labels, strict=True)
        if not was[id].equal(picture)
    }
    assert changed == ({2, 3} if name == "lsp" else set())
    assert set(training.labels.tolist()) == ({0, 1} if name == "left-out" else {0, 1, 2, 3})
    assert ("scale" in metrics) == (name == "lsp")


def test_noise_is_made_once_for_all_counter_measures(settings, context, attacked, tailored, monkeypatch):
    made = []

    def make_one(name, own, seed, epsilon, settings, context):
        made.append(name)
        return Noise(torch.full((2, 3, 128, 128), epsilon), "class", own.classes, Budget(epsilon))

    monkeypatch.setattr(making, "_make_one", make_one)
    key = {"noise": "error-min+pil"}
    first, second = (run({**key, "countermeasure": way}, 0, settings, context) for way in ("none", "grey"))
    assert made == ["error-min", "pil"]
    assert first == second
    run({"noise": "pil", "countermeasure": "none"}, 0, settings, context)
    run({**key, "countermeasure": "none"}, 1, settings, context)
    more = {**settings, "generate": {**settings["generate"], "pil sample": {"epochs": 1, "steps": 3}}}
    run({**key, "countermeasure": "none"}, 0, more, context)
    assert made == ["error-min", "pil", "pil", "error-min", "pil", "error-min", "pil"]


def test_joined_noises_have_half_of_epsilon_each(settings, context):
    own = synthesize_people(2, 4, seed=1)
    chosen = MethodsSettings(**{name: settings[name] for name in settings if name != "seeds"})
    whole = making._make("lsp+error-min", own, 0, chosen, context)
    parts = [making._make_one(name, own, 0, 4 / 255, chosen, context) for name in ("lsp", "error-min")]
    for part in parts:
        assert 0 < part.delta.abs().max() <= 4 / 255 + 1e-6
    names = [own.classes[label] for label in own.labels.tolist()]
    torch.testing.assert_close(whole.for_batch(own.ids), parts[0].for_batch(own.ids) + parts[1].for_batch(names))
    assert whole.budget.epsilon == pytest.approx(8 / 255)


def test_coarse_noise_lies_in_squares(settings, context):
    own = synthesize_people(2, 2, seed=1)
    chosen = MethodsSettings(**{name: settings[name] for name in settings if name != "seeds"})
    delta = making._make_one("ar", own, 0, 8 / 255, chosen, context).delta
    assert delta.shape == (4, 3, 128, 128)
    corners = delta[..., ::16, ::16]
    assert delta.equal(corners.repeat_interleave(16, -2).repeat_interleave(16, -1))
    assert len(corners[0, 0].unique()) > 32


def test_the_surrogate_sees_a_collectors_frame():
    framed = making.Framed(torch.nn.Identity(), 32)
    canvas = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    wide = replace(synthesize_people(1, 2, seed=1), images=(canvas * 255).byte())
    seen = experiment.collect(wide, experiment.find_countermeasure("none"), 32).images.float() / 255
    torch.testing.assert_close(framed(wide.images.float() / 255), seen, atol=0.6 / 255, rtol=0)


@pytest.mark.parametrize("most", [0.5, 1.0, 100.0, None])
def test_noise_is_made_smaller_until_it_shows_no_more(most):
    data = synthesize_people(2, 3, seed=2)
    delta = (2 * torch.rand(6, 3, 128, 128, generator=torch.Generator().manual_seed(0)) - 1) * 8 / 255
    noise = Noise(delta, "sample", data.ids, Budget())
    smaller = shrink(noise, data, most)
    noisy = unlearnable(data, smaller)
    whole = [part.images.permute(0, 2, 3, 1).reshape(-1, 128, 3).numpy() for part in (data, noisy)]
    shown = delta_e(*whole, everywhere=True)[0]
    assert smaller.provenance["delta_e_mean"] == pytest.approx(shown, rel=0.03)
    if most in (0.5, 1.0):
        assert smaller.provenance["delta_e_mean"] == pytest.approx(most, rel=0.02)
        assert smaller.provenance["delta_e_mean"] <= most
        assert 0 < smaller.provenance["scale"] < 1
    else:
        assert smaller.provenance["scale"] == 1
        torch.testing.assert_close(smaller.delta * 255, (delta * 255).round())


def test_what_is_unchanged_counts_where_visibility_is_of_all_pixels():
    data = synthesize_people(1, 2, seed=2)
    images = data.images.clone()
    images[0, 0] ^= 4
    found = measure(data, replace(data, images=images))
    whole = [part.permute(0, 2, 3, 1).reshape(-1, 128, 3).numpy() for part in (data.images, images)]
    assert found["delta_e_mean"] == pytest.approx(delta_e(*whole)[0] / 2, rel=0.02)
    assert found["linf_255"] == 4
    assert measure(data, data)["ssim_face"] == 1
