"""Fetching: only what the checksum says is kept. No network: the addresses lead to files here."""

from __future__ import annotations

import hashlib
import io
import re
from email.message import Message

import pytest
from rich.console import Console

from faceshield.cli import progress
from faceshield.core import download
from faceshield.core.download import Checksum, OfficialFile
from faceshield.core.errors import StoreError, UsageError
from faceshield.data.sources import DATA_SETS
from faceshield.models.facenet import WEIGHTS

SIZE = 3_000_000


@pytest.fixture
def source(tmp_path, monkeypatch):
    file = tmp_path / "server/cifar-10-binary.tar.gz"
    file.parent.mkdir()
    file.write_bytes(b"pixels" * (SIZE // 6))
    md5 = Checksum("md5", hashlib.md5(file.read_bytes()).hexdigest())
    monkeypatch.setitem(DATA_SETS, "cifar10", (OfficialFile(file.as_uri(), md5),))
    return file


def fetch(name, folder, on_bytes=None):
    return download.fetch(name, DATA_SETS, folder, on_bytes)


def test_what_arrives_is_the_file_and_is_not_fetched_twice(source, tmp_path, monkeypatch):
    heard = []
    (path,) = fetch("cifar10", tmp_path / "data", lambda *told: heard.append(told))
    assert path == tmp_path / "data" / source.name
    assert path.read_bytes() == source.read_bytes()
    assert heard == [(source.name, done, SIZE) for done in (1 << 20, 2 << 20, SIZE)]
    monkeypatch.setattr(download.urllib.request, "urlopen", None)
    assert fetch("cifar10", tmp_path / "data") == [path]


def test_a_server_that_does_not_say_how_much_it_sends_is_heard_without_a_total(source, tmp_path, monkeypatch):
    class Answer(io.BytesIO):
        headers = Message()

    monkeypatch.setattr(download.urllib.request, "urlopen", lambda url, timeout: Answer(source.read_bytes()))
    heard = []
    fetch("cifar10", tmp_path / "data", lambda *told: heard.append(told))
    assert heard[-1] == (source.name, SIZE, None)


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


def test_weights_are_kept_by_their_sha256_in_a_folder_of_their_own(tmp_path, monkeypatch, cli):
    file = tmp_path / "server.pt"
    file.write_bytes(b"weights")
    right = Checksum("sha256", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setitem(WEIGHTS, "vggface2", (OfficialFile(file.as_uri(), right, "weights"),))
    path = tmp_path / "data/weights/server.pt"
    assert cli("data", "get", "vggface2", "--data", tmp_path / "data").stdout == f"{path}\n"
    assert path.read_bytes() == b"weights"
    path.unlink()
    file.write_bytes(b"other")
    refused = cli("data", "get", "vggface2", "--data", tmp_path / "data", code=5).stderr
    assert re.search(f"arrived with SHA256 [0-9a-f]{{64}}, expected {right.digest}", refused)
    assert list(path.parent.iterdir()) == []


def test_checksums_are_as_long_as_their_algorithm_says():
    for file in (file for files in (*DATA_SETS.values(), *WEIGHTS.values()) for file in files):
        digits = hashlib.new(file.checksum.algorithm).digest_size * 2
        assert re.fullmatch(f"[0-9a-f]{{{digits}}}", file.checksum.digest), file.name


def test_other_names_are_refused(tmp_path, cli):
    with pytest.raises(UsageError, match=r"'imagenet' is not fetched here; use cifar10, cifar100, svhn, lfw$"):
        fetch("imagenet", tmp_path)
    refused = cli("data", "get", "casia-webface", "--data", tmp_path, code=2).stderr
    assert "'casia-webface' is not fetched here; use cifar10, cifar100, svhn, lfw, vggface2" in refused


def test_a_terminal_sees_how_much_has_arrived(source, tmp_path, cli, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, _environ={})
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    cli("data", "get", "cifar10", "--data", tmp_path / "data")
    assert re.search(r"cifar-10-binary\.tar\.gz .*3\.0/3\.0 MB", screen.getvalue())
    assert "0:00:00" in screen.getvalue()


def test_the_command_says_where_it_lies_and_what_a_folder_is(source, tmp_path, cli, put, astronaut):
    assert cli("data", "get", "cifar10", "--data", tmp_path / "data").stdout == f"{tmp_path / 'data' / source.name}\n"
    for name in ("cat/1", "cat/2", "dog/1"):
        put(tmp_path / f"own/train/{name}.png", astronaut[:8, :8])
    text = cli("data", "check", tmp_path / "own").stdout
    assert "train: 3 pictures of 8×8 in 2 classes\nmissing: test: " in text
    assert "has a folder train but no test or val" in text
    result = cli("data", "check", tmp_path / "nothing", code=2)
    assert "nothing: is not there" in result.stderr
