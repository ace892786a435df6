"""Places to write to: refused in one line before the work, whatever is wrong with them."""

from __future__ import annotations

import pytest

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.outputs import check_new_file, open_folder, refuse_inside


@pytest.mark.parametrize("name", ["", ".", "x.txt", ".html"])
def test_a_file_of_another_kind_is_refused_with_a_name_that_would_do(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"is a page; name it \.?\w+\.html"):
        check_new_file(tmp_path.__class__(name), "is a page", ".html")


def test_a_file_that_is_there_or_has_no_place_is_refused(tmp_path):
    (tmp_path / "a.html").touch()
    with pytest.raises(UsageError, match="exists already"):
        check_new_file(tmp_path / "a.html", "is a page", ".html")
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        check_new_file(tmp_path / ("a" * 300 + ".html"), "is a page", ".html")
    with pytest.raises(StoreError, match="cannot be written"):
        check_new_file(tmp_path / "a.html/b.html", "is a page", ".html")
    check_new_file(tmp_path / "not/yet/there.html", "is a page", ".html")
    assert not (tmp_path / "not").exists()


def test_a_folder_is_made_or_refused_with_the_fix(tmp_path):
    open_folder(tmp_path / "a/b", "choose another")
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/x: cannot be written \(.*\); choose another"):
        open_folder(tmp_path / "file/x", "choose another")


def test_what_is_written_may_not_lie_in_what_is_read(tmp_path):
    (tmp_path / "data").mkdir()
    for out in ("data", "data/x", "other/../data/x"):
        with pytest.raises(UsageError, match="choose a folder beside it"):
            refuse_inside(tmp_path / out, tmp_path / "data")
    refuse_inside(tmp_path / "data2", tmp_path / "data")
    refuse_inside(tmp_path / "x", tmp_path / "absent")
