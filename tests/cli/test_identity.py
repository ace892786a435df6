"""faceshield identity: list, show, export, import, delete."""

from __future__ import annotations

import stat

import pytest

from faceshield.noise import vault


def test_none_yet(cli):
    assert cli("identity", "list").stdout == ""


def test_list_and_show(cli, keep):
    keep(name="zoë")
    keep(name="anna", kind="bank", epsilon=16 / 255)
    assert cli("identity", "list").stdout == (
        "anna\tbank\t16/255\t2024-01-01T00:00:00+00:00\nzoë\tprivate\t8/255\t2024-01-01T00:00:00+00:00\n"
    )
    text = cli("identity", "show", "zoë").stdout
    assert "zoë" in text
    assert "private" in text
    assert str(vault.locate("zoë")) in text
    assert "public, from the bank" in cli("identity", "show", "anna").stdout


def test_no_command_tells_the_secret(cli, me):
    for command in (["list"], ["show", "me"]):
        assert me.secret not in cli("identity", *command).stdout


def test_export_and_import_carry_the_noise_to_the_byte(cli, me, tmp_path, monkeypatch):
    file = tmp_path / "me.faceshield"
    assert "keep it secret" in cli("identity", "export", "me", file).stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv("FACESHIELD_HOME", str(tmp_path / "elsewhere"))
    assert cli("identity", "import", file).stdout == "identity 'me' is kept\n"
    assert vault.load("me").delta.equal(me.delta)
    assert vault.locate("me").read_bytes() == file.read_bytes()
    cli("identity", "import", file, "--name", "second")
    assert vault.load("second").name == "second"
    assert vault.list_names() == ["me", "second"]


def test_nothing_is_overwritten(cli, me, tmp_path):
    file = tmp_path / "me.faceshield"
    cli("identity", "export", "me", file)
    assert "exists already" in cli("identity", "export", "me", file, code=2).stderr
    assert "is kept here already" in cli("identity", "import", file, code=2).stderr


def test_delete_asks_first(cli, me):
    cli("identity", "delete", "me", code=1, input="n\n")
    assert vault.list_names() == ["me"]
    cli("identity", "delete", "me", input="y\n")
    assert vault.list_names() == []
    keep = cli("identity", "delete", "me", "--yes", code=5)
    assert "is not kept here (known: none yet)" in keep.stderr


def test_a_damaged_identity_is_named_and_can_be_deleted(cli, me, keep):
    keep(name="other")
    path = vault.locate("me")
    path.write_bytes(path.read_bytes()[:1000])
    result = cli("identity", "show", "me", code=5)
    assert str(path) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    listed = cli("identity", "list", code=5)
    assert "other\tprivate" in listed.stdout, "one damaged file hides the others"
    assert str(path) in listed.stderr
    cli("identity", "delete", "me", "--yes")
    assert vault.list_names() == ["other"]


@pytest.mark.parametrize("command", [["show", "nobody"], ["export", "nobody", "x"], ["delete", "nobody", "--yes"]])
def test_unknown_names_tell_what_is_known(command, cli, me, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "identity 'nobody' is not kept here (known: me)" in cli("identity", *command, code=5).stderr


@pytest.mark.parametrize("name", ["../me", "a/b", "", " ", ".hidden", "x" * 201, "a\nb", "c:d"])
def test_names_that_are_no_file_name(name, cli, me, tmp_path):
    result = cli("identity", "show", name, code=2)
    assert "; take a plain word such as" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    file = tmp_path / "exported"
    cli("identity", "export", "me", file)
    if name:
        cli("identity", "import", file, "--name", name, code=2)
    assert vault.list_names() == ["me"]


def test_import_of_something_else(cli, put, portrait, tmp_path):
    picture = put(tmp_path / "a.png", portrait)
    assert "is not a whole safetensors file" in cli("identity", "import", picture, code=5).stderr
    assert "no such file" in cli("identity", "import", tmp_path / "nowhere", code=5).stderr
    assert "no such file" in cli("identity", "import", tmp_path, code=5).stderr


def test_a_home_that_cannot_be_written(cli, put, portrait, tmp_path, monkeypatch, me):
    file = tmp_path / "exported"
    cli("identity", "export", "me", file)
    (tmp_path / "blocked").write_text("a file")
    monkeypatch.setenv("FACESHIELD_HOME", str(tmp_path / "blocked"))
    result = cli("identity", "import", file, code=5)
    assert "cannot be written" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    source = put(tmp_path / "a.png", portrait)
    assert "cannot be written" in cli("cloak", source, "-o", tmp_path / "out", "--fast", code=5).stderr
