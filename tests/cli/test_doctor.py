"""faceshield doctor says what is here and what is wrong with it, and tells nothing private."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from faceshield.api import doctor
from faceshield.models import weights

ITEMS = ["versions", "extras", "device", "precision", "weights", "user folder", "identities", "self-test"]


@pytest.fixture
def idle(monkeypatch):
    """Without the self-test's seconds."""
    monkeypatch.setattr(doctor, "_cloak_portrait", lambda device: "left out")


def test_a_sound_installation(cli, home):
    findings = json.loads(cli("doctor", "--json").stdout)
    assert [finding["item"] for finding in findings] == ITEMS
    assert all(finding["well"] for finding in findings), findings
    assert "largest change 8/255" in findings[-1]["said"]
    assert list(home.iterdir()) == [], "the self-test leaves no identity"


def test_one_line_an_item(cli, idle):
    lines = cli("doctor").stdout.splitlines()
    assert [line.split(":")[0].split(None, 1) for line in lines] == [["ok", item] for item in ITEMS]


def test_a_damaged_weight_is_named(cli, idle, tmp_path, monkeypatch):
    folder = shutil.copytree(weights.find_folder(), tmp_path / "weights")
    with (folder / "yunet.safetensors").open("r+b") as file:
        file.write(b"x")
    (folder / "sface.safetensors").unlink()
    monkeypatch.setenv(weights.VARIABLE, str(folder))
    lines = cli("doctor", code=1).stdout.splitlines()
    (wrong,) = (line for line in lines if line.startswith("WRONG"))
    assert wrong.startswith("WRONG  weights: missing or damaged: sface.safetensors, yunet.safetensors;")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_an_identity_that_others_may_read_is_counted_but_not_named(cli, idle, keep, home):
    keep(name="rosalind")
    assert "identities: 1 kept, for this user alone" in cli("doctor").stdout
    (home / "identities/rosalind.safetensors").chmod(0o644)
    text = cli("doctor", code=1).stdout
    assert "1 of 1 can be read by others" in text
    assert "rosalind" not in text
    assert str(home) not in text


def test_a_device_that_is_not_there(cli, idle):
    assert "WRONG  device: device 'cuda:99'" in cli("doctor", "--device", "cuda:99", code=1).stdout


def test_a_self_test_that_breaks_is_a_finding(cli, monkeypatch):
    def fail(device):
        raise RuntimeError("illegal instruction\nand more")

    monkeypatch.setattr(doctor, "_cloak_portrait", fail)
    assert cli("doctor", code=1).stdout.splitlines()[-1] == "WRONG  self-test: RuntimeError: illegal instruction"
