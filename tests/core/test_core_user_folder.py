"""Where a user's identities lie: the variable first, then an earlier version's folder, then the platform's."""

import sys

import pytest
from platformdirs import user_data_path

from faceshield.core.user_folder import user_folder
from faceshield.noise import vault


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user without any folder, whose FACESHIELD_HOME is not set."""
    monkeypatch.delenv("FACESHIELD_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_the_variable_wins_and_its_tilde_is_the_home(nobody, monkeypatch):
    monkeypatch.setenv("FACESHIELD_HOME", str(nobody / "chosen"))
    assert user_folder() == nobody / "chosen"
    assert vault.find_folder() == nobody / "chosen/identities"
    monkeypatch.setenv("FACESHIELD_HOME", "~/chosen")
    assert user_folder() == nobody / "chosen"


def test_a_new_user_has_the_platforms_folder(nobody):
    assert user_folder() == user_data_path("faceshield", appauthor=False, roaming=True)
    assert vault.find_folder() == user_folder() / "identities"
    assert not user_folder().exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folders of Linux")
def test_the_folder_of_linux_is_where_it_always_was(nobody, monkeypatch):
    assert user_folder() == nobody / ".local/share/faceshield"
    monkeypatch.setenv("XDG_DATA_HOME", str(nobody / "data"))
    assert user_folder() == nobody / "data/faceshield"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes the folders of Linux and macOS differ")
def test_an_earlier_versions_folder_is_used_until_the_platforms_exists(nobody, monkeypatch, ready):
    monkeypatch.setattr("sys.platform", "darwin")  # which platformdirs, imported already, does not see
    earlier, here = nobody / "Library/Application Support/faceshield", nobody / ".local/share/faceshield"
    assert user_folder() == here
    (earlier / "identities").mkdir(parents=True)
    assert user_folder() == earlier
    vault.save(ready)
    assert (earlier / "identities/me.safetensors").is_file()
    assert vault.load("me").delta.equal(ready.delta)
    here.mkdir(parents=True)
    assert user_folder() == here
