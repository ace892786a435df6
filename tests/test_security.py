"""Nothing leaves the machine, and what is secret stays where it belongs."""

from __future__ import annotations

import importlib
import os
import socket
import stat
import sys
import urllib.request
import zipfile

import numpy as np
import pytest

from faceshield.core.errors import UsageError
from faceshield.data.tree import read_tree

WATCHED = (
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.gethostbyname",
)
_opened: list[str] | None = None  # what was tried, while somebody watches


def _refuse(event, arguments):
    if event == "socket.bind" and arguments[1][0] in ("::1", "127.0.0.1"):
        return  # urllib3 asks so, when it is first imported, whether the machine has IPv6; nobody else can connect
    if _opened is not None and event in WATCHED:
        _opened.append(f"{event}{arguments}")
        raise AssertionError(f"{event} was called")


@pytest.fixture(scope="module", autouse=True)
def _hook():
    sys.addaudithook(_refuse)  # it cannot be taken out again: _opened switches it off


@pytest.fixture
def offline():
    """While a test runs, no Python code of any library connects, sends, listens or looks a name up; it is told."""
    global _opened
    _opened = []
    yield _opened
    tried, _opened = _opened, None
    assert tried == []


def test_the_watch_sees_a_connection():
    global _opened
    _opened = []
    try:
        with socket.socket() as one, pytest.raises(AssertionError, match=r"socket\.connect"):
            one.connect(("127.0.0.1", 9))
        with pytest.raises(AssertionError, match=r"socket\.getaddrinfo"):
            urllib.request.urlopen("http://localhost:9/")
        assert len(_opened) == 2
    finally:
        _opened = None


def test_cloak_opens_no_connection(offline, cli, put, portrait, tmp_path):
    put(tmp_path / "in/a.png", portrait)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast")


def test_what_looks_at_photos_opens_no_connection(offline, cli, put, portrait, me, tmp_path):
    photo = put(tmp_path / "a.png", portrait)
    cli("detect", photo)
    cli("verify", photo, photo)
    cli("identity", "list")


@pytest.mark.slow
def test_a_private_noise_and_a_mask_open_no_connection(offline, cli, put, portrait, tmp_path):
    put(tmp_path / "in/a.png", portrait)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out")
    cli("cloak", tmp_path / "in", "-o", tmp_path / "masked", "--against", "search")


@pytest.mark.slow
def test_the_audit_opens_no_connection(offline, cli, put, portrait, tmp_path):
    for place, shown in (("clean/a", portrait), ("clean/b", portrait[:, ::-1]), ("cloaked/c", portrait // 2)):
        put(tmp_path / f"{place}.png", np.ascontiguousarray(shown))
    put(tmp_path / "cloaked/d.png", np.ascontiguousarray(portrait[:, ::-1] // 2))
    cli("audit", "--cloaked", tmp_path / "cloaked", "--clean", tmp_path / "clean", "-o", tmp_path / "r.html")


@pytest.mark.slow
def test_the_demo_opens_no_connection(offline, root, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(root / "recipes/pages"))
    importlib.import_module("demo").main(tmp_path / "demo")
    assert (tmp_path / "demo/page.html").is_file()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_secret_is_in_its_0600_file_alone(cli, put, portrait, home, tmp_path, monkeypatch):
    secret = "5ec7e75ec7e75ec7" * 2
    monkeypatch.setenv("FACESHIELD_SECRET", secret)
    old = os.umask(0)
    try:
        put(tmp_path / "in/a.png", portrait)
        result = cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast")
        shown = cli("identity", "show", "me")
        exported = tmp_path / "me.safetensors"
        cli("identity", "export", "me", exported)
    finally:
        os.umask(old)
    kept = home / "identities/me.safetensors"
    assert secret.encode() in kept.read_bytes()
    for path in (kept, exported):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != exported]
    assert {path.name for path in written} == {"a.png", "faceshield.json"}
    for path in written:
        assert secret.encode() not in path.read_bytes(), path.name
    for text in (result.stdout, result.stderr, shown.stdout, shown.stderr):
        assert secret not in text


# ---- archives


def _pack(path, name, mode=0o100644):
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16  # 3 is Unix, whose modes say what a member is
        archive.writestr(info, b"/etc/passwd")
    return path


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o060666, 0o010666, 0o140666])
def test_a_zip_member_that_is_a_link_or_a_device_is_refused(mode, tmp_path):
    with pytest.raises(UsageError, match=r"member 'a/1\.png' is a link or a device"):
        read_tree(_pack(tmp_path / "x.zip", "a/1.png", mode))


@pytest.mark.parametrize("name", ["con/1.png", "a/NUL.png", "a/com1.jpg", "lpt9/1.png", "aux.d/1.png"])
def test_a_zip_member_with_the_name_of_a_windows_device_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="has an unsafe name"):
        read_tree(_pack(tmp_path / "x.zip", name))


@pytest.mark.parametrize("name", ["conrad/1.png", "a/null.png"])
def test_names_that_only_begin_like_a_device_are_fine(name, tmp_path):
    with pytest.raises(UsageError, match="cannot be read as a picture"):
        read_tree(_pack(tmp_path / "x.zip", name))


def test_a_link_to_something_else_is_no_picture_and_is_never_written_through(cli, put, portrait, me, tmp_path, hashes):
    private = tmp_path / "private"
    private.mkdir()
    (private / "key").write_bytes(b"-----BEGIN KEY-----")
    put(tmp_path / "in/a.png", portrait)
    (tmp_path / "in/b.png").symlink_to(private / "key")
    (tmp_path / "in/c.png").symlink_to("/dev/zero")
    (tmp_path / "in/deep").symlink_to(private)
    before = hashes(private)
    result = cli("cloak", tmp_path / "in", "-o", tmp_path / "out", code=4)
    assert "b.png: is not a picture" in result.stderr
    assert "BEGIN KEY" not in result.stderr + (tmp_path / "out/faceshield.json").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "faceshield.json"]
    assert hashes(private) == before
