"""Mixtures of noises, and the table of methods by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from noise_samples import EPSILON, fresh, pictures, shuffled, trained

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.rng import derive_seed
from faceshield.core.types import Noise
from faceshield.data.unlearnable import unlearnable
from faceshield.noise import Added, Either, ErrorMax, ErrorMin, Random, Universal, add, build_method, choose
from faceshield.noise.registry import AT_ONCE, METHODS, TRAINED

FAST = {"fit_steps": 2, "rounds": 2, "stop_error": -1.0, "batch": 8}


@pytest.fixture(scope="module")
def data():
    return pictures(3, 40)


def of(form, data, seed, epsilon=EPSILON):
    return Random(form, Budget(epsilon)).generate(data, seed=seed)


def test_either_gives_each_example_one_of_two_by_its_id(data):
    one, two = (of("class", data, seed) for seed in (1, 2))
    mixed = choose(one, two, data, seed=0)
    assert mixed.form == "sample"
    firsts = 0
    for i, label in enumerate(data.labels.tolist()):
        is_first = mixed.delta[i].equal(one.delta[label])
        assert is_first or mixed.delta[i].equal(two.delta[label])
        firsts += is_first
    assert 40 < firsts < 80
    again = choose(one, two, shuffled(data), seed=0)
    assert again.for_batch(data.ids).equal(mixed.delta)
    assert not choose(one, two, data, seed=1).delta.equal(mixed.delta)
    assert unlearnable(data, mixed).images.shape == data.images.shape


@pytest.mark.parametrize("form", ["class", "sample"])
def test_a_sum_stays_inside_the_budget_or_says_how_large_it_is(data, form):
    one, two = of("class", data, 1), of(form, data, 2)
    parts = one.delta[data.labels] + two.delta if form == "sample" else one.delta + two.delta
    bounded = add(one, two, data)
    assert bounded.form == form
    assert bounded.budget == Budget(EPSILON)
    assert bounded.delta.equal(parts.clamp(-EPSILON, EPSILON))
    assert parts.abs().max() > EPSILON
    free = add(one, two, data, bound="sum")
    assert free.budget.epsilon == pytest.approx(2 * EPSILON)
    torch.testing.assert_close(free.delta, parts)
    assert add(of("class", data, 1, 0.7), of(form, data, 2, 0.7), data, bound="sum").budget.epsilon == 1
    assert one.delta.equal(of("class", data, 1).delta), "what was given is not changed"


def test_classes_are_added_by_name_not_by_place(data):
    one = of("class", data, 1)
    turned = Noise(one.delta.flip(0), "class", one.keys[::-1], one.budget)
    torch.testing.assert_close(add(one, turned, data, bound="sum").delta, 2 * one.delta)


def test_noises_that_cannot_be_mixed(data):
    one = of("class", data, 1)
    small = replace(one, delta=one.delta[..., :4])
    placed = replace(one, provenance={"place": "random"})
    for mix in (lambda a, b: choose(a, b, data, seed=0), lambda a, b: add(a, b, data)):
        for other in (small, placed):
            with pytest.raises(UsageError, match="both must be alike"):
                mix(one, other)
        with pytest.raises(StoreError, match=r"no entry 'c[12]'"):
            mix(one, Noise(one.delta[:1], "class", one.keys[:1], one.budget))
    with pytest.raises(UsageError, match="make both with the same"):
        choose(one, of("class", data, 1, 0.1), data, seed=0)
    with pytest.raises(UsageError, match="'mean' is unknown"):
        add(one, one, data, bound="mean")
    with pytest.raises(UsageError, match="use one norm"):
        add(one, replace(one, budget=Budget(1.0, "l2")), data)


def test_both_runs_of_a_mixture_start_from_the_surrogate_handed_in(data):
    method = ErrorMin(**FAST)
    mixed = Either(method, method).generate(data, fresh(), seed=0)
    parts = [
        method.generate(data, fresh(), seed=derived).delta
        for derived in (derive_seed(0, "first"), derive_seed(0, "second"))
    ]
    assert not parts[0].equal(parts[1])
    owners = [sum(bool((parts[n][label] == delta).all()) for label, delta in zip(data.labels, mixed.delta, strict=True))
              for n in (0, 1)]  # fmt: skip
    assert sum(owners) == len(data)
    assert min(owners) > 30
    summed = Added(method, Random("class")).generate(shuffled(data), fresh(), seed=0)
    uniform = Random("class").generate(data, seed=derive_seed(0, "second")).delta
    assert summed.delta.equal((parts[0] + uniform).clamp(-EPSILON, EPSILON))


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("form", ["class", "sample"])
def test_every_method_makes_noise_inside_its_budget(name, form):
    data = pictures()
    if name in ("ops", "cuda"):
        pytest.skip("keeps no ε, which tests/noise/test_visible.py is about")
    settings = {} if name in AT_ONCE else {"steps": 2, "batch": 8} if name in TRAINED else dict(FAST)
    settings |= {"checkpoints": 2, "toward": "class"} if name == "sep" else {}
    settings |= {"patch": [4, 3]} if name == "patch" else {"steps": 2} if name.startswith("eq5") else {}
    if form == {
        "eq5-adam": "class",
        "eq5-lbfgs": "class",
        "patch": "sample",
        "rem": "class",
        "sem": "class",
        "tap": "class",
        "sep": "class",
    }.get(name):
        with pytest.raises(UsageError, match="only"):
            build_method(name, form, **settings)
        return
    method = build_method(name, form, epsilon=4 / 255, **settings)
    learner = trained(data, 20) if name in TRAINED else fresh()
    learner = replace(learner, checkpoints=[learner.model.state_dict()])
    noise = method.generate(data, learner, seed=0)
    assert 0 < noise.delta.abs().max() <= 4 / 255 + 1e-7
    assert noise.provenance["method"] == ("error-min" if name == "patch" else name)
    assert noise.delta.device.type == "cpu"
    if not name.startswith("mix"):
        assert noise.form == form
    unlearnable(data, noise)


def test_the_papers_settings_are_the_defaults():
    method = build_method("error-min", epsilon=16 / 255)
    assert isinstance(method, ErrorMin)
    assert (method.fit_steps, method.steps, method.stop_error, method.subset) == (10, 1, 0.1, 0.2)
    assert method.alpha == pytest.approx(1.6 / 255)
    method = build_method("error-min", "sample")
    assert (method.fit_steps, method.steps, method.stop_error, method.subset) == (10, 20, 0.01, 1.0)
    released = build_method("error-min", "sample", variant="released-code", rounds=7)
    assert (released.shuffle, released.batch, released.rounds) == (False, 512, 7)
    method = build_method("error-max", "sample", epsilon=16 / 255)
    assert isinstance(method, ErrorMax)
    assert (method.steps, method.alpha) == (20, pytest.approx(1.6 / 255))
    method = build_method("error-max")
    assert isinstance(method, Universal)
    assert (method.subset, method.fooling) == (0.2, 0.8)
    solver = build_method("eq5-lbfgs", "sample", c=2.0)
    assert (solver.fit_steps, solver.solver.steps, solver.solver.c, solver.solver.name) == (100, 200, 2.0, "eq5-lbfgs")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: build_method("error-mim"), r"'error-mim' is unknown; did you mean 'error-min'\? There are .*random"),
        (lambda: build_method("error-min", "classes"), "form 'classes' is unknown; did you mean 'class'"),
        (lambda: build_method("random", "classes"), "form 'classes' is unknown; did you mean 'class'"),
        (lambda: build_method("error-min", stepz=3), r"setting 'stepz' is unknown; did you mean 'steps'\?"),
        (lambda: build_method("error-min", variant="released"), "variant 'released' is unknown; did you mean 'rele"),
        (lambda: build_method("random", steps=3), "setting 'steps' is unknown"),
        (lambda: build_method("patch"), r"needs its size; add patch: \[height, width\]"),
        (lambda: build_method("error-min", epsilon=8), "did you mean 8/255"),
        (lambda: build_method("error-min", norm="l1"), "norm 'l1' is unknown"),
    ],
)
def test_what_cannot_be_asked_for(ask, words):
    with pytest.raises(UsageError, match=words):
        ask()


def test_a_mixtures_two_jobs_keep_two_checkpoints(tmp_path):
    data, path = pictures(), tmp_path / "job.safetensors"
    noise = build_method("mix-either", checkpoint=path, **FAST).generate(data, fresh(), seed=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["job-first.safetensors", "job-second.safetensors"]
    again = build_method("mix-either", checkpoint=path, **FAST).generate(data, fresh(), seed=0)
    assert again.delta.equal(noise.delta)


def test_importing_the_package_costs_nothing():
    code = "import sys, faceshield.noise as n; assert 'torch' not in sys.modules; assert 'ErrorMin' in n.__all__"
    subprocess.run([sys.executable, "-c", code], check=True)
    import faceshield.noise

    assert all(getattr(faceshield.noise, name) is not None for name in faceshield.noise.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'ErrorMid'"):
        _ = faceshield.noise.ErrorMid
