"""Addresses on the command line: file:// is a path, and nothing else is taken for one."""

from __future__ import annotations

import pytest


def test_a_file_address_is_the_path(cli, put, portrait, me, tmp_path, hashes):
    put(tmp_path / "my photos/a b.png", portrait)
    cli("cloak", tmp_path / "my photos", "-o", tmp_path / "by path")
    photos = (tmp_path / "my photos").as_uri()
    assert "%20" in photos
    cli("cloak", photos, "-o", (tmp_path / "by address").as_uri().replace("file://", "file://localhost"))
    outputs = [hashes(tmp_path / name)["a b.png"] for name in ("by path", "by address")]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("command", [["cloak"], ["faces", "align"]])
def test_another_address_is_refused_whole(cli, command, tmp_path):
    for places in (["gs://bucket/in", "-o", tmp_path / "out"], [tmp_path, "-o", "gs://bucket/out"]):
        result = cli(*command, *places, code=2)
        assert "mount it and name the folder" in result.stderr
        assert "gs://bucket/" in result.stderr
    assert "write file:///PATH" in cli(*command, "file://nas/in", "-o", tmp_path / "out", code=2).stderr
    assert not (tmp_path / "out").exists()


def test_a_store_is_read_by_cloak_alone(cli, tmp_path):
    for place in (["faces", "align", "s3://bucket/in"], ["cloak", tmp_path, "--like", "s3://bucket/a.png"]):
        assert "s3:// is not read here; mount it" in cli(*place, "-o", tmp_path / "out", code=2).stderr
