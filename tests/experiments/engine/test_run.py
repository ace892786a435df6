"""Running a recipe: cells once each, resumed, interrupted, foreseen; and what the result file says of its data."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.experiments.engine import dry_run as looking
from faceshield.experiments.engine import run as running
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.experiments.engine.recipe import Recipe
from faceshield.experiments.registry import WHERE, import_experiment
from faceshield.models.weights import read_checksums
from faceshield.reports.results import estimate
from faceshield.training.runtime import Runtime


def run(recipe, scale, experiment, context, results, *, seeds=None, **how):
    return running.run(running.Run(recipe, scale, experiment, context, results, seeds), **how)


def dry_run(recipe, scale, experiment, context, results, *, seeds=None, only=None):
    return looking.dry_run(running.Run(recipe, scale, experiment, context, results, seeds), only=only)


GOOD = {
    "id": "tests/good",
    "claim": "Adding works.",
    "experiment": "adding",
    "matrix": [{"noise": ["none", "bank"], "size": [1, 2]}, {"noise": ["tailored"]}],
    "seeds": [0, 1],
    "settings": {"epochs": 3, "lr": 0.1, "people": "fabricated"},
    "scales": {"smoke": {"epochs": 1, "seeds": [7]}, "mini": {"people": "crowd"}},
    "expected": [{"key": {"noise": "bank"}, "metric": "value", "paper": 0.16}],
}


class Adding(Settings):
    epochs: int
    lr: float
    people: Source


class AddingKey(CellKey):
    noise: str
    size: int | None = None


@pytest.fixture
def said():
    return []


@pytest.fixture
def context(tmp_path, said):
    return Context(tmp_path / "data", tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), said.append)


def adding(calls, stop_at=None, **hooks):
    def cell(key, seed, settings, context):
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        calls.append((key.model_dump(exclude_none=True), seed, settings.epochs))
        return {"value": 1.5 * len(calls), "list": [1, 2]}

    return Experiment(cell, Adding, AddingKey, **hooks)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_is_written_and_resumed(context, said, tmp_path):
    recipe, calls = Recipe(**GOOD), []
    path = run(recipe, "smoke", adding(calls), context, tmp_path / "results")
    assert path == tmp_path / "results/tests/good.smoke.json"
    result = read(path)
    assert [cell["metrics"]["value"] for cell in result["cells"]] == [1.5, 3, 4.5, 6, 7.5]
    assert [cell["key"] for cell in result["cells"]] == recipe.cells()
    assert {cell["device"] for cell in result["cells"]} == {result["device"]}
    assert result["settings"] == recipe.at("smoke")
    assert result["expected"] == [{"key": {"noise": "bank"}, "metric": "value", "paper": 0.16}]
    assert result["command"] == "faceshield recipes run tests/good --scale smoke"
    assert (result["not_run"], result["data"], result["plots"]) == ([], {}, [])
    assert said[0] == "cell 1 of 5: noise none, size 1, seed 7"
    assert said[1] == "cell 1 of 5: noise none, size 1, seed 7: value 1.5"

    run(recipe, "smoke", adding(calls), context, tmp_path / "results")
    assert len(calls) == 5, "a finished cell was run again"
    assert read(path)["cells"] == result["cells"]


def test_an_interrupted_run_keeps_its_cells_lists_the_open_ones_and_goes_on(context, tmp_path):
    recipe, calls = Recipe(**GOOD), []
    path = tmp_path / "results/tests/good.smoke.json"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, "smoke", adding(calls, stop_at=0), context, tmp_path / "results")
    assert not path.exists(), "a result without a cell"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, "smoke", adding(calls, stop_at=2), context, tmp_path / "results")
    assert [cell["key"] for cell in read(path)["cells"]] == recipe.cells()[:2]
    assert read(path)["not_run"] == [{"key": key, "seed": 7} for key in recipe.cells()[2:]]
    run(recipe, "smoke", adding(calls), context, tmp_path / "results")
    assert [cell["metrics"]["value"] for cell in read(path)["cells"]] == [1.5, 3, 4.5, 6, 7.5]
    assert read(path)["not_run"] == []


def test_other_settings_are_another_cell(context, tmp_path):
    calls = []
    run(Recipe(**GOOD), "smoke", adding(calls), context, tmp_path / "results")
    other = Recipe(**{**GOOD, "settings": {**GOOD["settings"], "lr": 0.2}})
    run(other, "smoke", adding(calls), context, tmp_path / "results")
    assert len(calls) == 10


def test_one_cell_alone(context, tmp_path):
    calls = []
    path = run(Recipe(**GOOD), "smoke", adding(calls), context, tmp_path / "results", only=5)
    assert calls == [({"noise": "tailored"}, 7, 1)]
    assert [cell["key"] for cell in read(path)["cells"]] == [{"noise": "tailored"}]
    assert len(read(path)["not_run"]) == 4
    run(Recipe(**GOOD), "smoke", adding(calls), context, tmp_path / "results", only=1)
    assert len(read(path)["cells"]) == 2
    for number in (0, -1, 6):
        with pytest.raises(UsageError, match="has cells 1 to 5 at this scale"):
            run(Recipe(**GOOD), "smoke", adding(calls), context, tmp_path / "results", only=number)


def test_chosen_seeds_alone(context, tmp_path):
    calls = []
    (tmp_path / "data/crowd").mkdir(parents=True)
    path = run(Recipe(**GOOD), "mini", adding(calls), context, tmp_path / "results", seeds=[1, 5])
    assert sorted({seed for _, seed, _ in calls}) == [1, 5]
    assert len(calls) == 10
    assert {open_["seed"] for open_ in read(path)["not_run"]} == {0}
    plain = run(Recipe(**GOOD), "mini", adding(calls), context, tmp_path / "more")
    assert read(plain)["config_sha256"] == read(path)["config_sha256"]
    assert len(calls) == 15, "a seed that was there was run again"


def test_progress_is_told_with_what_is_left(context, tmp_path):
    told = []
    run(Recipe(**GOOD), "smoke", adding([]), context, tmp_path, on_cell=lambda *what: told.append(what))
    assert [done for done, _, _ in told] == [0, 1, 2, 3, 4, 5]
    assert {total for _, total, _ in told} == {5}
    assert told[0][2] is None, "nothing is known before the first cell"
    assert told[-1][2] == 0


KEYS = st.sampled_from([{"noise": "none"}, {"noise": "bank"}, {"noise": "tailored"}])
TIMED = st.lists(st.fixed_dictionaries({"key": KEYS, "wall_s": st.floats(0.1, 1e5)}), max_size=6)


@given(st.lists(KEYS, max_size=6), TIMED)
def test_an_estimate_lies_between_the_quickest_and_the_slowest(open_, done):
    seconds = estimate(open_, done)
    if not open_:
        assert seconds == 0
    elif not done:
        assert seconds is None
    else:
        times = [cell["wall_s"] for cell in done]
        assert min(times) * len(open_) * (1 - 1e-9) <= seconds <= max(times) * len(open_) * (1 + 1e-9)


def test_an_estimate_goes_by_the_same_key_first():
    done = [{"key": {"a": a}, "wall_s": seconds} for a, seconds in ((1, 10.0), (1, 20.0), (2, 90.0))]
    assert estimate([{"a": 1}, {"a": 1}, {"a": 3}], done) == 15 + 15 + 40


# ---- what a run would do


def test_the_plan_names_cells_data_disk_and_hours(context, tmp_path):
    recipe, calls = Recipe(**GOOD), []
    found = dry_run(recipe, "mini", adding(calls), context, tmp_path / "results")
    assert [(cell.number, cell.seed, done) for cell, done, _ in found.cells] == [
        (number, (number - 1) % 2, False) for number in range(1, 11)
    ]
    assert found.data == {tmp_path / "data/crowd": False}
    assert (found.used_bytes, found.seconds) == (0, None)
    assert found.basis.startswith("no cell is stored in ")
    assert found.free_bytes > 0
    assert calls == [], "a plan ran a cell"

    (tmp_path / "data/crowd").mkdir(parents=True)
    path = run(recipe, "mini", adding(calls), context, tmp_path / "results", only=3)
    (cache,) = (tmp_path / "work").glob("*.json")
    timed = [{**cell, "wall_s": 100.0} for cell in read(path)["cells"]]
    path.write_text(json.dumps({**read(path), "device": "a slow one", "cells": timed}), encoding="utf-8")
    for left in (True, False):
        found = dry_run(recipe, "mini", adding(calls), context, tmp_path / "results")
        assert [cell.number for cell, done, _ in found.cells if done] == [3], "a run would add to that file"
        assert (found.seconds, found.basis) == (900, "good.mini.json, made on a slow one")
        assert [seconds for *_, seconds in found.cells] == [100, 100, 0, *(100,) * 7]
        if left:
            assert found.used_bytes == cache.stat().st_size
            cache.unlink()


def test_the_plan_is_of_the_cells_that_were_asked_for(context, tmp_path):
    (tmp_path / "data/crowd").mkdir(parents=True)
    path = run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, only=3)
    timed = [{**cell, "wall_s": 100.0} for cell in read(path)["cells"]]
    path.write_text(json.dumps({**read(path), "cells": timed}), encoding="utf-8")
    found = dry_run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, seeds=[1])
    assert ([cell.number for cell, *_ in found.cells], found.seconds) == ([2, 4, 6, 8, 10], 500)
    found = dry_run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, only=3)
    assert [(cell.number, done, seconds) for cell, done, seconds in found.cells] == [(3, True, 0)]
    with pytest.raises(UsageError, match="has cells 1 to 10"):
        dry_run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, only=11)


@pytest.mark.parametrize(("asked", "numbers"), [({"only": 9}, [9]), ({"seeds": [1]}, [2, 4, 6, 8, 10])])
def test_progress_is_that_of_the_cells_that_were_asked_for(context, said, tmp_path, asked, numbers):
    (tmp_path / "data/crowd").mkdir(parents=True)
    run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, only=1)
    said.clear()
    told = []
    run(Recipe(**GOOD), "mini", adding([]), context, tmp_path, **asked, on_cell=lambda *what: told.append(what))
    assert [(done, total) for done, total, _ in told] == [(n, len(numbers)) for n in range(len(numbers) + 1)]
    assert [line.partition(":")[0] for line in said] == [f"cell {n} of 10" for n in numbers for _ in range(2)]


# ---- data


def test_data_that_is_not_there(context):
    with pytest.raises(UsageError, match="give the folder that holds 'people' by --data"):
        context.source("people")


def test_a_result_says_what_it_was_made_on(context, tmp_path):
    folder = tmp_path / "data/crowd/a"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"123")
    calls = []
    path = run(Recipe(**GOOD), "mini", adding(calls), context, tmp_path / "results", only=1)
    assert read(path)["data"] == {"crowd": fingerprint(tmp_path / "data/crowd")}
    (folder / "1.jpg").unlink()
    folder.rmdir()
    folder.parent.rmdir()
    run(Recipe(**GOOD), "mini", adding(calls), context, tmp_path / "results", only=1)
    assert read(path)["data"] == {"crowd": "not at hand when this was written"}
    assert len(calls) == 1


def test_changed_data_runs_a_cell_again_where_the_experiment_asks_for_it(context, tmp_path):
    folder = tmp_path / "data/crowd"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"123")
    calls = []
    experiment = adding(calls, inputs=lambda key, settings, context: fingerprint(context.source("crowd")))
    for _ in range(2):
        run(Recipe(**GOOD), "mini", experiment, context, tmp_path, only=1)
    assert len(calls) == 1
    (folder / "2.jpg").write_bytes(b"4")
    run(Recipe(**GOOD), "mini", experiment, context, tmp_path, only=1)
    assert len(calls) == 2


FILES = st.dictionaries(st.sampled_from(["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/é\n.png"]), st.binary(max_size=3))


@given(FILES, FILES)
def test_a_fingerprint_is_that_of_names_and_sizes(tmp_path_factory, left, right):
    prints = []
    for number, files in enumerate((left, right)):
        folder = tmp_path_factory.mktemp("data")
        for name in sorted(files, reverse=bool(number)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(files[name])
        prints.append(fingerprint(folder))
    sizes = [{name: len(data) for name, data in files.items()} for files in (left, right)]
    assert (prints[0] == prints[1]) == (sizes[0] == sizes[1])


def test_a_folder_and_its_zip_have_one_fingerprint_and_time_does_not_matter(tmp_path):
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/a/1.jpg").write_bytes(b"123")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(tmp_path / "data/a", "a")
        archive.write(tmp_path / "data/a/1.jpg", "a/1.jpg")
    before = fingerprint(tmp_path / "data")
    assert before.startswith("sha256 of 1 names and sizes: ")
    assert fingerprint(tmp_path / "data.zip") == before
    os.utime(tmp_path / "data/a/1.jpg", (1, 1))
    assert fingerprint(tmp_path / "data") == before


def test_one_file_is_known_by_its_content_and_what_is_none_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180's own example
    assert fingerprint(tmp_path / "a.bin") == f"sha256: {known}"
    (tmp_path / "b.zip").write_bytes(b"abc")
    with pytest.raises(UsageError, match="is not a zip archive"):
        fingerprint(tmp_path / "b.zip")
    with pytest.raises(UsageError, match="is not there"):
        fingerprint(tmp_path / "nowhere")


def test_a_run_without_caches_adds_to_the_stored_result(context, tmp_path):
    recipe, calls = Recipe(**GOOD), []
    with pytest.raises(KeyboardInterrupt):
        run(recipe, "smoke", adding(calls, stop_at=2), context, tmp_path / "results")
    before = read(tmp_path / "results/tests/good.smoke.json")["cells"]
    elsewhere = replace(context, work=tmp_path / "another clone")
    path = run(recipe, "smoke", adding(calls), elsewhere, tmp_path / "results")
    assert len(calls) == 5, "a stored cell was run again"
    assert read(path)["cells"][:2] == before
    assert read(path)["not_run"] == []


def test_cells_of_several_machines_each_tell_their_own(context, tmp_path):
    recipe, calls = Recipe(**GOOD), []
    with pytest.raises(KeyboardInterrupt):
        run(recipe, "smoke", adding(calls, stop_at=2), context, tmp_path / "results")
    path = tmp_path / "results/tests/good.smoke.json"
    there = {"device": "another machine", "versions": {"torch": "0.4"}}
    cells = [{name: cell[name] for name in ("key", "seed", "metrics", "wall_s")} for cell in read(path)["cells"]]
    path.write_text(json.dumps({**read(path), **there, "cells": cells}), encoding="utf-8")  # as files were before
    run(recipe, "smoke", adding(calls), replace(context, work=tmp_path / "another clone"), tmp_path / "results")
    told = [{name: cell[name] for name in there} for cell in read(path)["cells"]]
    here = {"device": context.runtime.describe(), "versions": read(path)["versions"]}
    assert told == [there] * 2 + [here] * 3


@pytest.mark.parametrize("change", ["settings", "data"])
def test_a_stored_result_of_another_configuration_or_other_data_does_not_count(context, tmp_path, change):
    recipe, calls = Recipe(**GOOD), []
    path = run(recipe, "smoke", adding(calls), context, tmp_path / "results")
    if change == "settings":
        recipe = Recipe(**{**GOOD, "settings": {**GOOD["settings"], "lr": 0.2}})
    else:
        path.write_text(json.dumps({**read(path), "data": {"people": "sha256: another"}}), encoding="utf-8")
    run(recipe, "smoke", adding(calls), replace(context, work=tmp_path / "another clone"), tmp_path / "results")
    assert len(calls) == 10


def test_with_other_weights_nothing_made_before_counts(context, tmp_path, monkeypatch):
    calls, recipe = [], Recipe(**GOOD)
    experiment = adding(calls, weights=("identity_bank",))
    before = replace(context, work=experiment.place(tmp_path / "work"))
    path = run(recipe, "smoke", experiment, before, tmp_path / "results")
    assert list(read(path)["weights"]) == ["identity_bank"]
    run(recipe, "smoke", experiment, replace(before, work=tmp_path / "fresh clone"), tmp_path / "results")
    assert len(calls) == 5, "the stored cells hold for the same weights"

    for module in ("experiment", "run"):
        monkeypatch.setattr(
            f"faceshield.experiments.engine.{module}.read_checksums", lambda names: {"identity_bank": "0"}
        )
    after = replace(context, work=experiment.place(tmp_path / "work"))
    assert after.work != before.work
    run(recipe, "smoke", experiment, after, tmp_path / "results")
    assert len(calls) == 10
    assert read(path)["weights"] == {"identity_bank": "0"}


def test_an_older_file_that_names_no_weights_is_taken_at_its_word(context, tmp_path):
    calls, recipe = [], Recipe(**GOOD)
    path = run(recipe, "smoke", adding(calls), context, tmp_path / "results")
    assert "weights" not in read(path)
    named = adding(calls, weights=("identity_bank",))
    run(recipe, "smoke", named, replace(context, work=named.place(tmp_path / "work")), tmp_path / "results")
    assert len(calls) == 5


@pytest.mark.parametrize("name", WHERE)
def test_the_weights_that_experiments_name_are_shipped(name):
    weights = import_experiment(name).weights
    assert list(read_checksums(weights)) == list(weights)
