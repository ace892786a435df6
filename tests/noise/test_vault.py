"""Identities on disk: private files, whole or refused."""

from __future__ import annotations

import stat
from dataclasses import fields, replace

import pytest
import torch

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import read_tensors, write_tensors
from faceshield.noise import vault
from faceshield.noise.identity import Identity


def same(a, b):
    return a.delta.equal(b.delta) and all(
        getattr(a, field.name) == getattr(b, field.name) for field in fields(Identity) if field.name != "delta"
    )


@pytest.mark.parametrize("name", ["me", "Zoë Müller", "日本", "a.b", "x" * 180])
def test_saved_and_loaded_is_the_same(ready, name):
    identity = replace(ready, name=name)
    path = vault.save(identity)
    assert path == vault.locate(name)
    assert same(vault.load(name), identity)
    assert vault.exists(name)
    assert vault.list_names() == [name]


def test_only_the_user_can_read_it(me):
    path = vault.locate("me")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    vault.save(replace(me, photos=2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_names_are_sorted_and_other_files_ignored(keep, home):
    for name in ("zoe", "anna", "me"):
        keep(name=name)
    (home / "identities/notes.txt").write_text("text")
    assert vault.list_names() == ["anna", "me", "zoe"]


def test_deleted_is_gone(me):
    vault.delete("me")
    assert not vault.exists("me")
    with pytest.raises(StoreError, match=r"not kept here \(known: none yet\)"):
        vault.load("me")
    with pytest.raises(StoreError, match="not kept here"):
        vault.delete("me")


def test_a_file_exported_can_be_read_anywhere(me, tmp_path):
    path = vault.save(me, tmp_path / "exported")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert same(vault.read(path), me)


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../me", "a/b", "a\\b", "a:b", "a\0b", "a\nb", "x" * 201, "é" * 101]
)
def test_names_that_are_no_file_name_are_refused(name):
    for call in (vault.locate, vault.exists, vault.load, vault.delete):
        with pytest.raises(UsageError, match="take a plain word"):
            call(name)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 1000, -1])
def test_a_file_cut_off_is_refused(me, keep):
    path = vault.locate("me")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match="is not a whole safetensors file"):
        vault.load("me")


def test_every_byte_of_the_header_may_be_damaged(me):
    """One line for whatever the damage is; never another exception."""
    path = vault.locate("me")
    whole = path.read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    told = []
    for place in range(0, length, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            vault.load("me")
        except StoreError as error:
            told.append(str(error))
    assert len(told) > length // 7 // 3
    assert not any("\n" in text for text in told)


@pytest.mark.parametrize(
    "delta",
    [
        torch.full((3, 128, 128), 9 / 255),
        torch.full((3, 128, 128), -9 / 255),
        torch.full((3, 128, 128), torch.nan),
        torch.full((3, 128, 128), torch.inf),
    ],
)
def test_a_noise_that_breaks_its_bound_is_refused(keep, delta):
    keep(delta=delta)
    with pytest.raises(StoreError, match="breaks its own bound"):
        vault.load("me")


@pytest.mark.parametrize(
    "delta",
    [
        torch.zeros(1, 128, 128),
        torch.zeros(3, 128, 64),
        torch.zeros(3, 0, 0),
        torch.zeros(3, 3, 128, 128),
        torch.zeros(3, 128, 128, dtype=torch.float64),
        torch.zeros(3, 128, 128, dtype=torch.int8),
    ],
)
def test_a_noise_of_another_form_is_refused(keep, delta):
    keep(delta=delta)
    with pytest.raises(StoreError, match="another version"):
        vault.load("me")


@pytest.mark.parametrize(
    "changed",
    [
        {"epsilon": "8/255"},
        {"epsilon": 0.0},
        {"epsilon": 2.0},
        {"epsilon": float("nan")},
        {"name": 5},
        {"format": "other"},
        {"surprise": 1},
    ],
)
def test_hostile_fields_are_refused(me, changed, tmp_path):
    tensors, found = read_tensors(vault.locate("me"))
    write_tensors(tmp_path / "hostile", tensors, {**found, **changed})
    with pytest.raises(StoreError):
        vault.read(tmp_path / "hostile")


def test_a_name_in_a_file_cannot_lead_out_of_the_folder(me, cli, tmp_path):
    tensors, found = read_tensors(vault.locate("me"))
    write_tensors(tmp_path / "hostile", tensors, {**found, "name": "../../evil"})
    assert "cannot be used" in cli("identity", "import", tmp_path / "hostile", code=2).stderr
    assert vault.list_names() == ["me"]


def test_missing_fields_and_other_files_are_refused(me, tmp_path):
    tensors, found = read_tensors(vault.locate("me"))
    write_tensors(tmp_path / "old", tensors, {key: value for key, value in found.items() if key != "slot"})
    with pytest.raises(StoreError, match="from another version"):
        vault.read(tmp_path / "old")
    write_tensors(tmp_path / "other", {"x": torch.ones(1)}, {})
    with pytest.raises(StoreError, match="is not a faceshield identity"):
        vault.read(tmp_path / "other")
