"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import load_file, save_file

from faceshield.core import store
from faceshield.core.errors import StoreError
from faceshield.core.store import read_json, read_tensors, sha256, write_bytes, write_json, write_tensors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def masked():
    """The usual umask, whatever the machine's is."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_bytes_are_written_with_their_mode_in_new_folders(tmp_path, masked):
    write_bytes(tmp_path / "a/b/c.bin", b"content")
    assert (tmp_path / "a/b/c.bin").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "a/b/c.bin").stat().st_mode) == 0o644
    write_bytes(tmp_path / "secret", b"x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert names(tmp_path) == ["a", "secret"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(call, failure, tmp_path, monkeypatch):
    write_bytes(tmp_path / "a", b"old")

    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(*{
        "fsync": (store.os, "fsync"),
        "replace": (store.Path, "replace"),
        "chmod": (store.Path, "chmod"),
    }[call], fail)  # fmt: skip
    expected = StoreError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    if expected is StoreError:
        assert "cannot be written (No space left on device); choose another folder" in str(caught.value)


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    """What lies under the name when the new content is complete but not yet in place."""
    path = tmp_path / "a"
    write_bytes(path, b"old")
    seen = []
    real = os.fsync
    monkeypatch.setattr(store.os, "fsync", lambda handle: (seen.append(path.read_bytes()), real(handle)))
    write_bytes(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


def test_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        write_bytes(tmp_path / "file/below", b"x")
    with pytest.raises(StoreError, match="cannot be written"):
        write_bytes(tmp_path / ("x" * 300), b"x")


def test_many_threads_leave_the_umask_as_it_was(tmp_path, masked, monkeypatch):
    """It can only be read by setting it, and a second reader in between would find 0 and set that for good."""
    real = os.umask

    def slow(mask):
        before = real(mask)
        time.sleep(0.002)
        return before

    monkeypatch.setattr(store.os, "umask", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_bytes(tmp_path / str(number), b"x"), range(32)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}
    now = real(0o022)
    assert now == 0o022


def test_json_is_text_that_people_can_read(tmp_path):
    value = {"name": "Zoë 日本", "numbers": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "Zoë 日本" in text
    assert text.endswith("}\n")
    assert read_json(tmp_path / "a.json") == value
    assert json.loads(text) == value


def test_json_of_a_name_that_is_no_text(tmp_path):
    write_json(tmp_path / "a.json", {"name": os.fsdecode(b"caf\xe9")})
    assert read_json(tmp_path / "a.json") == {"name": "caf\udce9"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not JSON"])
def test_what_is_no_json_is_refused(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StoreError, match="is not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(StoreError, match="no such file"):
        read_json(tmp_path / "b.json")


TENSORS = {"a": torch.arange(12.0).view(3, 4), "b": torch.tensor([1, -2], dtype=torch.int8), "c": torch.tensor(2.5)}


def test_tensors_and_metadata_come_back(tmp_path):
    path = tmp_path / "a.safetensors"
    turned = {**TENSORS, "t": TENSORS["a"].T, "g": torch.ones(2, requires_grad=True)}
    write_tensors(path, turned, {"name": "Zoë", "n": 3, "list": [1, 2]}, mode=0o600)
    tensors, metadata = read_tensors(path)
    assert metadata == {"name": "Zoë", "n": 3, "list": [1, 2]}
    assert tensors.keys() == turned.keys()
    for name, value in turned.items():
        assert tensors[name].equal(value)
        assert tensors[name].dtype == value.dtype
    assert not tensors["g"].requires_grad
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_file(path)["a"].equal(TENSORS["a"]), "not the safetensors format"


def test_equal_content_is_equal_bytes(tmp_path):
    write_tensors(tmp_path / "a", TENSORS, {"x": 1, "y": 2})
    write_tensors(tmp_path / "b", TENSORS, {"y": 2, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_made_elsewhere_has_no_metadata(tmp_path):
    save_file(TENSORS, tmp_path / "a")
    assert read_tensors(tmp_path / "a")[1] == {}


@pytest.mark.parametrize("cut", [0, 4, 8, 20, 60, -1])
def test_a_file_cut_off_is_refused(cut, tmp_path):
    write_tensors(tmp_path / "a", TENSORS, {})
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:cut])
    with pytest.raises(StoreError, match="is not a whole safetensors file"):
        read_tensors(tmp_path / "a")


@pytest.mark.parametrize("metadata", ["[]", "3", "no JSON", "null"])
def test_metadata_of_another_kind_is_refused(metadata, tmp_path):
    save_file(TENSORS, tmp_path / "a", {"faceshield": metadata})
    with pytest.raises(StoreError, match="is not a whole safetensors file"):
        read_tensors(tmp_path / "a")


def test_what_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(StoreError):
            read_tensors(path)


def test_nothing_is_unpickled(tmp_path):
    """A file that runs code when it is unpickled is refused as any other foreign file."""
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    torch.save({"a": Evil()}, tmp_path / "evil")
    with pytest.raises(StoreError):
        read_tensors(tmp_path / "evil")
    assert not ran.exists()


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert sha256(b"abc") == sha256(tmp_path / "a") == expected
