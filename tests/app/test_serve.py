"""The command: a page on this machine alone, and nothing left behind at the end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest


def test_the_app_starts_serves_and_leaves_nothing(tmp_path, home):
    """The command itself, in a process: the page is there with the token alone, and Quit ends it."""
    pytest.importorskip("uvicorn", reason="uvicorn (extra app) is not installed")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "faceshield", "app", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        address = process.stdout.readline().split(" at ")[1].strip()
        base, token = address.split("/?token=")
        assert base.startswith("http://127.0.0.1:")
        (work,) = tmp_path.glob("faceshield-app-*")
        assert work.stat().st_mode & 0o777 == 0o700
        with urllib.request.urlopen(address) as answer:
            assert b"faceshield" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(base)
        assert error.value.code == 403
        error.value.close()
        quit_ = urllib.request.Request(f"{base}/api/quit", method="POST", headers={"X-Faceshield-Token": token})
        urllib.request.urlopen(quit_).close()
        assert process.wait(60) == 0
        assert list(tmp_path.iterdir()) == []
        assert token not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_what_a_killed_app_left_is_deleted_by_the_next(tmp_path):
    pytest.importorskip("uvicorn", reason="uvicorn (extra app) is not installed")
    from faceshield.app.serve import OWNER, PREFIX, remove_left_behind

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name, owner in [("dead", gone.pid), ("alive", os.getpid())]:
        (tmp_path / f"{PREFIX}{name}").mkdir()
        (tmp_path / f"{PREFIX}{name}" / OWNER).write_text(str(owner))
    (tmp_path / f"{PREFIX}strange").mkdir()
    remove_left_behind(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{PREFIX}alive", f"{PREFIX}strange"]


def test_a_port_that_is_taken_is_told_and_so_is_what_is_missing(cli, monkeypatch):
    pytest.importorskip("uvicorn", reason="uvicorn (extra app) is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in cli("app", "--port", port, "--no-browser", code=2).stderr
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'faceshield[app]'" in cli("app", code=2).stderr
