"""Fetching: only what the checksum says is kept. No network: the addresses lead to files here."""

from __future__ import annotations

import hashlib

import pytest

from faceshield.core.errors import StoreError, UsageError
from faceshield.data import official
from faceshield.data.official import OFFICIAL, OfficialFile, fetch


@pytest.fixture
def source(tmp_path, monkeypatch):
    file = tmp_path / "server/cifar-10-binary.tar.gz"
    file.parent.mkdir()
    file.write_bytes(b"pixels" * 500_000)
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    monkeypatch.setitem(OFFICIAL, "cifar10", (OfficialFile(file.as_uri(), md5),))
    return file


def test_what_arrives_is_the_file_and_is_not_fetched_twice(source, tmp_path, monkeypatch):
    heard = []
    (path,) = fetch("cifar10", tmp_path / "data", lambda name, count: heard.append((name, count)))
    assert path == tmp_path / "data" / source.name
    assert path.read_bytes() == source.read_bytes()
    assert sum(count for _, count in heard) == source.stat().st_size
    monkeypatch.setattr(official.urllib.request, "urlopen", None)
    assert fetch("cifar10", tmp_path / "data") == [path]


def test_a_wrong_file_is_refused_and_nothing_is_left(source, tmp_path):
    whole = source.read_bytes()
    source.write_bytes(b"other")
    with pytest.raises(StoreError, match=r"arrived with MD5 .*, expected"):
        fetch("cifar10", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    source.unlink()
    with pytest.raises(StoreError, match="cannot be fetched"):
        fetch("cifar10", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    (tmp_path / "data" / source.name).write_bytes(b"cut off")
    source.write_bytes(whole)
    (path,) = fetch("cifar10", tmp_path / "data")
    assert path.read_bytes() == whole


def test_other_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match="'imagenet' is not fetched here; use cifar10, cifar100, svhn, lfw"):
        fetch("imagenet", tmp_path)


def test_the_command_says_where_it_lies_and_what_a_folder_is(source, tmp_path, cli, put, astronaut):
    assert cli("data", "get", "cifar10", "--data", tmp_path / "data").stdout == f"{tmp_path / 'data' / source.name}\n"
    for name in ("cat/1", "cat/2", "dog/1"):
        put(tmp_path / f"own/train/{name}.png", astronaut[:8, :8])
    text = cli("data", "check", tmp_path / "own").stdout
    assert "train: 3 pictures of 8×8 in 2 classes\nmissing: test: " in text
    assert "has a folder train but no test or val" in text
    result = cli("data", "check", tmp_path / "nothing", code=2)
    assert "nothing: is not there" in result.stderr
