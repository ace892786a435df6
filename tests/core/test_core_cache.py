"""What is made once and read afterwards, and the names that it lies under."""

import json
from pathlib import Path

import pytest
import torch

from faceshield.core.cache import digest_json, load_or_make, load_or_make_tensors, shard_path
from faceshield.core.errors import StoreError
from faceshield.core.store import read_json, read_tensors, sha256, write_json


def test_made_once_and_read_afterwards(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return {"number": len(made)}

    path = tmp_path / "below/cell.json"
    for _ in range(3):
        assert load_or_make(path, read_json, make, write_json) == {"number": 1}
    assert made == [0]
    path.unlink()
    assert load_or_make(path, read_json, make, write_json) == {"number": 2}


def test_nothing_is_kept_of_what_failed(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_make(tmp_path / "cell.json", read_json, fail, write_json)
    assert not list(tmp_path.iterdir())


def test_tensors_and_metadata_come_back_alike(tmp_path):
    path, delta = tmp_path / "delta.safetensors", torch.arange(4.0)
    first = load_or_make_tensors(path, lambda: ({"delta": delta}, {"steps": 3}))
    tensors, fields = load_or_make_tensors(path, lambda: pytest.fail("made twice"))
    assert tensors["delta"].equal(first[0]["delta"])
    assert fields == first[1] == read_tensors(path)[1] == {"steps": 3}
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="not a whole safetensors file"):
        load_or_make_tensors(path, lambda: pytest.fail("a damaged file is not made again"))


def test_the_name_tells_what_decides_it():
    value = {"b": [1, 0.5, None], "a": "é"}
    assert (
        digest_json(value)
        == digest_json(dict(reversed(value.items())))
        == sha256(json.dumps(dict(sorted(value.items()))).encode())
    )
    assert digest_json([1]) != digest_json([2])
    digest = digest_json(value)
    path = shard_path(Path("faces"), digest)
    assert path.parts == ("faces", digest[:2], f"{digest[2:34]}.safetensors")
