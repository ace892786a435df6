"""Noise files: whole or refused, and only for the data that they were made for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from noise_samples import EPSILON, pictures, shuffled
from safetensors import safe_open
from safetensors.torch import save_file

from faceshield.core.budget import Budget
from faceshield.core.errors import StoreError
from faceshield.core.store import write_tensors
from faceshield.core.types import Noise
from faceshield.noise.file import digest_data, read_noise, refuse_other_data, write_noise
from faceshield.noise.random import Random


@pytest.fixture(scope="module")
def data():
    return pictures(classes=2, each=3, size=4)


def fields(**changes):
    return {
        "kind": "noise", "form": "class", "epsilon": EPSILON, "norm": "linf", "keys": ["a", "b"], "provenance": {},
        **changes,
    }  # fmt: skip


@given(
    st.lists(st.text(max_size=8), min_size=1, max_size=5, unique=True),
    st.sampled_from(["sample", "class"]),
    st.sampled_from(["linf", "l2"]),
    st.floats(0.001, 1),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_what_is_written_is_read(tmp_path, keys, form, norm, epsilon):
    budget = Budget(epsilon, norm)
    delta = budget.project(torch.randn(len(keys), 3, 2, 5, generator=torch.Generator().manual_seed(0)))
    noise = Noise(delta, form, tuple(keys), budget, {"method": "x", "errors": [0.5, 0.25]})
    write_noise(tmp_path / "a.safetensors", noise)
    again = read_noise(tmp_path / "a.safetensors")
    assert again.delta.equal(noise.delta)
    assert replace(again, delta=delta) == noise


def test_any_reader_of_safetensors_reads_it(tmp_path, data):
    noise = Random("class").generate(data, seed=0)
    write_noise(tmp_path / "a.safetensors", noise)
    with safe_open(str(tmp_path / "a.safetensors"), framework="np") as file:
        assert (file.get_tensor("delta") == noise.delta.numpy()).all()
        assert json.loads(file.metadata()["faceshield"])["keys"] == ["c0", "c1"]


def test_a_cut_off_file_is_refused_wherever_it_is_cut(tmp_path, data):
    path = tmp_path / "a.safetensors"
    write_noise(path, Random("class").generate(data, seed=0))
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="is not a whole safetensors file") as caught:
            read_noise(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "identity"}, "holds no noise"),
        ({"form": "both"}, "form is 'both'"),
        ({"epsilon": -1}, "description is damaged"),
        ({"epsilon": "much"}, "description is damaged"),
        ({"norm": "l7"}, "description is damaged"),
        ({"keys": ["a"]}, "2 δ and 1 different keys"),
        ({"keys": ["a", "a"]}, "2 δ and 1 different keys"),
        ({"keys": None}, "description is damaged"),
        ({"provenance": 3}, "description is damaged"),
        ({"epsilon": EPSILON / 2}, "more than its ε"),
    ],
)
def test_fields_that_are_wrong(tmp_path, changes, words):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"delta": torch.full((2, 3, 4, 4), EPSILON)}, fields(**changes))
    with pytest.raises(StoreError, match=words):
        read_noise(path)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (torch.zeros(2, 3, 4), r"\(2, 3, 4\), expected float32"),
        (torch.zeros(2, 1, 4, 4), "expected float32"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.int8), "int8"),
        (torch.full((2, 3, 4, 4), float("nan")), "more than its ε"),
        (torch.full((2, 3, 4, 4), float("-inf")), "more than its ε"),
    ],
)
def test_delta_that_is_none(tmp_path, delta, words):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"delta": delta}, fields())
    with pytest.raises(StoreError, match=words):
        read_noise(path)


def test_other_files(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        read_noise(tmp_path / "nothing")
    save_file({"delta": torch.zeros(2, 3, 4, 4)}, str(tmp_path / "b.safetensors"))
    with pytest.raises(StoreError, match="holds no noise"):
        read_noise(tmp_path / "b.safetensors")


def test_the_digest_is_of_the_pictures_and_not_of_their_order(data):
    assert digest_data(shuffled(data)) == digest_data(data)
    assert digest_data(replace(data, images=data.images + 1)) != digest_data(data)
    assert digest_data(replace(data, ids=tuple(f"x{id}" for id in data.ids))) != digest_data(data)


def test_noise_of_other_data_is_refused(data, tmp_path):
    whole = Random("sample").generate(data, seed=0)
    own = replace(whole, provenance={"data_sha256": digest_data(data)})
    refuse_other_data(own, data, tmp_path)
    refuse_other_data(own, shuffled(data).select(torch.arange(len(data)) < 4), tmp_path)
    with pytest.raises(StoreError, match="other pictures of the same names"):
        refuse_other_data(own, replace(data, images=data.images + 1), tmp_path)
    with pytest.raises(StoreError, match="no δ for the picture 'x000'"):
        refuse_other_data(own, replace(data, ids=tuple(f"x{id}" for id in data.ids)), tmp_path)
    by_class = Random("class").generate(data, seed=0)
    refuse_other_data(by_class, replace(data, images=data.images + 1), tmp_path)
    with pytest.raises(StoreError, match="no δ for the class 'dog'"):
        refuse_other_data(by_class, replace(data, classes=("c0", "dog")), tmp_path)
