"""Folders through the command: what is taken, where it comes out, what is refused, what a bad file does to the rest."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceshield import Options, cloak
from faceshield.cloaking import run as run_module
from faceshield.core.errors import UsageError
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.noise import vault


@pytest.fixture
def source(put, portrait, me, tmp_path):
    """A folder with one portrait, and "me" in the vault."""
    put(tmp_path / "in/a.png", portrait)
    return tmp_path / "in"


def outputs(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def statuses(report):
    return {os.path.relpath(photo["source"]): photo["status"] for photo in report["photos"]}


# ---- what ends how


def test_all_cloaked_ends_with_0(cli, source, report, tmp_path):
    result = cli("cloak", source, "-o", tmp_path / "out")
    assert result.stdout.startswith(f"1 cloaked, 0 left unprotected, 0 failed  →  {tmp_path / 'out'}\n")
    assert result.stderr == ""
    assert outputs(tmp_path / "out") == ["a.png", "faceshield.json"]
    assert report(tmp_path / "out")["ignored"] == []


def test_a_photo_without_a_face_is_left_alone_and_ends_with_3(cli, put, source, astronaut, report, tmp_path):
    put(source / "b.png", astronaut[300:, 300:])
    result = cli("cloak", source, "-o", tmp_path / "out", code=3)
    assert "1 cloaked, 1 left unprotected, 0 failed" in result.stdout
    assert result.stderr == f"unprotected: {source / 'b.png'}: no face was found; {result.stderr.split('; ', 1)[1]}"
    assert outputs(tmp_path / "out") == ["a.png", "faceshield.json"]
    (photo,) = (photo for photo in report(tmp_path / "out")["photos"] if photo["status"] != "cloaked")
    assert photo["status"] == "unprotected"
    assert photo["output"] is None
    assert photo["sha256_output"] is None
    assert "no face was found" in photo["reason"]


def test_no_face_anywhere_makes_no_identity(cli, put, astronaut, report, tmp_path):
    put(tmp_path / "in/b.png", astronaut[300:, 300:])
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", code=3)
    assert outputs(tmp_path / "out") == ["faceshield.json"]
    assert report(tmp_path / "out")["identity"] is None
    assert vault.list_names() == []


@pytest.mark.parametrize("content", [b"", b"not a picture at all", b"\x89PNG\r\n\x1a\n broken", b"\xff\xd8\xff\xe0"])
def test_a_broken_file_fails_alone_and_ends_with_4(content, cli, source, report, tmp_path):
    (source / "0 first.jpg").write_bytes(content)
    result = cli("cloak", source, "-o", tmp_path / "out", code=4)
    assert "1 cloaked, 0 left unprotected, 1 failed" in result.stdout
    assert result.stderr.startswith(f"failed: {source / '0 first.jpg'}: ")
    assert len(result.stderr.splitlines()) == 1
    assert outputs(tmp_path / "out") == ["a.png", "faceshield.json"]
    assert [photo["status"] for photo in report(tmp_path / "out")["photos"]] == ["failed", "cloaked"]


def test_a_truncated_photo_fails(cli, put, source, portrait, tmp_path):
    whole = put(source / "b.jpg", portrait).read_bytes()
    (source / "b.jpg").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in cli("cloak", source, "-o", tmp_path / "out", code=4).stderr


def test_a_jpeg_without_its_end_marker_is_cloaked_and_that_is_told(cli, put, source, portrait, report, tmp_path):
    whole = put(source / "b.jpg", portrait).read_bytes()
    (source / "b.jpg").write_bytes(whole[:-2])
    told = cli("cloak", source, "-o", tmp_path / "out").stdout
    assert "changes: the end marker was missing" in told
    assert "2 cloaked" in told
    assert [len(photo["changes"]) for photo in report(tmp_path / "out")["photos"]] == [0, 1]


def test_both_kinds_of_trouble_end_with_4(cli, put, source, astronaut, tmp_path):
    put(source / "b.png", astronaut[300:, 300:])
    (source / "c.jpg").write_bytes(b"no")
    result = cli("cloak", source, "-o", tmp_path / "out", code=4)
    assert "1 cloaked, 1 left unprotected, 1 failed" in result.stdout
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["unprotected", "failed"]


def test_trouble_is_told_once_when_the_noise_is_new(cli, put, portrait, astronaut, report, tmp_path):
    put(tmp_path / "in/a.png", portrait)
    put(tmp_path / "in/b.png", astronaut[300:, 300:])
    (tmp_path / "in/c.jpg").write_bytes(b"no")
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast", code=4)
    assert [photo["status"] for photo in report(tmp_path / "out")["photos"]] == ["cloaked", "unprotected", "failed"]


# ---- what is refused before anything is written


@pytest.mark.parametrize("place", ["in", "in/out", "in/deep/er"])
def test_out_inside_the_input_is_refused(place, cli, source, hashes, tmp_path):
    before = hashes(tmp_path)
    result = cli("cloak", source, "-o", tmp_path / place, code=2)
    assert "choose a folder outside it" in result.stderr
    assert hashes(tmp_path) == before


def test_out_that_holds_the_original_is_refused(cli, source, hashes, tmp_path):
    before = hashes(tmp_path)
    assert "choose another output folder" in cli("cloak", source / "a.png", "-o", source, code=2).stderr
    assert hashes(tmp_path) == before


def test_out_through_a_link_into_the_input_is_refused(cli, source, hashes, tmp_path):
    (tmp_path / "elsewhere").symlink_to(source)
    before = hashes(tmp_path)
    cli("cloak", source, "-o", tmp_path / "elsewhere", code=2)
    cli("cloak", source / "a.png", "-o", tmp_path / "elsewhere", code=2)
    assert hashes(tmp_path) == before


def test_out_around_the_input_never_overwrites_an_original(cli, put, source, portrait, hashes, tmp_path):
    """in/in/a.png would come out as OUT/in/a.png, which is another original."""
    put(source / "in/a.png", portrait[:, ::-1])
    before = hashes(source)
    assert "original" in cli("cloak", source, "-o", tmp_path, code=2).stderr
    assert hashes(source) == before


def test_out_around_the_input_never_overwrites_an_original_of_another_format(
    cli, put, source, portrait, hashes, tmp_path
):
    put(source / "in/a.bmp", portrait[:, ::-1])
    before = hashes(source)
    cli("cloak", source, "-o", tmp_path, code=2)
    assert hashes(source) == before


def test_a_link_in_out_back_to_the_originals_is_not_written_through(cli, put, source, portrait, hashes, tmp_path):
    put(source / "deep/b.png", portrait)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/deep").symlink_to(source / "deep")
    before = hashes(source)
    cli("cloak", source, "-o", tmp_path / "out", code=2)
    assert hashes(source) == before


def test_somebodys_file_in_out_is_never_overwritten(cli, put, source, portrait, hashes, tmp_path):
    """A picture of the same name lies in the output folder, and this tool did not put it there."""
    put(tmp_path / "out/a.png", portrait[::-1])
    before = hashes(tmp_path)
    for options in ([], ["--resume"], ["--format", "webp"]):
        result = cli("cloak", source, "-o", tmp_path / "out", *options, code=2)
        assert "out/a.png" in result.stderr
        assert hashes(tmp_path) == before


def test_other_files_in_out_are_left_alone(cli, put, source, portrait, hashes, tmp_path):
    put(tmp_path / "out/other.png", portrait)
    (tmp_path / "out/a.txt").write_text("my notes")
    before = hashes(tmp_path / "out")
    cli("cloak", source, "-o", tmp_path / "out")
    after = hashes(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"a.png", "faceshield.json"}


def test_out_that_is_a_file_is_refused(cli, source, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert "must be a folder" in cli("cloak", source, "-o", tmp_path / "out", code=2).stderr
    assert (tmp_path / "out").read_text() == "a file"


def test_out_below_a_file_cannot_be_written(cli, source, tmp_path):
    (tmp_path / "file").write_text("a file")
    result = cli("cloak", source, "-o", tmp_path / "file/out", code=5)
    assert "cannot be written" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="modes do not bind the superuser")
def test_read_only_out_cannot_be_written(cli, source, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    assert "cannot be written" in cli("cloak", source, "-o", tmp_path / "out", code=5).stderr


def test_out_is_looked_at_before_a_noise_is_made(cli, put, portrait, tmp_path):
    """Making one takes a while; it should not be for nothing, nor leave an identity behind."""
    put(tmp_path / "in/a.png", portrait)
    (tmp_path / "file").write_text("a file")
    cli("cloak", tmp_path / "in", "-o", tmp_path / "file/out", code=5)
    assert vault.list_names() == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.png", "no such file or folder"), ("a.png/b.png", "no such file"), ("x" * 300, "name too long")],
)
def test_a_path_that_is_not_there_is_refused(name, words, cli, source, tmp_path):
    result = cli("cloak", source, source / name, "-o", tmp_path / "out", code=2)
    assert words in result.stderr
    assert not (tmp_path / "out").exists()
    assert "name too long" in cli("cloak", source, "-o", tmp_path / ("x" * 300), code=2).stderr


def test_a_folder_without_photos_is_refused(cli, me, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("no picture")
    assert "no photos there" in cli("cloak", tmp_path / "in", "-o", tmp_path / "out", code=2).stderr


def test_another_epsilon_for_a_kept_identity_is_refused(cli, source, tmp_path):
    result = cli("cloak", source, "-o", tmp_path / "out", "--epsilon", "4/255", code=2)
    assert "was made with epsilon 8/255, not 4/255" in result.stderr
    assert not (tmp_path / "out").exists()


# ---- what is taken and where it comes out


@pytest.mark.parametrize(
    "name",
    [
        "sonne über köln 日本.png",
        "with  two  spaces .png",
        "--leading-dash.png",
        "-o.png",
        "semi;colon'quote\"$HOME`x`.png",
        "dots.in.the.name.png",
        "UPPER.PNG",
        "new\nline.png",
        "[red]markup[/red].png",
        "%s {} %d.png",
        "é" * 125 + ".png",
        "x" * 251 + ".png",
    ],
)
def test_names_are_kept(name, cli, put, portrait, me, report, tmp_path, monkeypatch):
    (tmp_path / "in" / name).parent.mkdir(parents=True)
    put(tmp_path / "in/plain.png", portrait).rename(tmp_path / "in" / name)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "a")
    assert outputs(tmp_path / "a") == sorted([name, "faceshield.json"])
    assert report(tmp_path / "a")["photos"][0]["output"] == name
    monkeypatch.chdir(tmp_path / "in")
    cli("cloak", "-o", tmp_path / "b", "--", name)
    assert (tmp_path / "b" / Path(name).name).read_bytes() == (tmp_path / "a" / name).read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only there a file name may be any bytes")
def test_a_name_that_is_no_text(cli, put, portrait, me, report, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    put(tmp_path / "in/plain.png", portrait).rename(tmp_path / "in" / name)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out")
    assert outputs(tmp_path / "out") == sorted([name, "faceshield.json"])
    assert report(tmp_path / "out")["photos"][0]["output"] == name


def test_the_longest_name_twice(cli, put, portrait, me, report, tmp_path):
    """Numbering the second would make it longer than a file system allows."""
    name = "x" * 251 + ".png"
    for folder in "ab":
        put(tmp_path / folder / "plain.png", portrait).rename(tmp_path / folder / name)
    cli("cloak", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    places = [photo["output"] for photo in report(tmp_path / "out")["photos"]]
    assert len(set(places)) == 2
    assert outputs(tmp_path / "out") == sorted([*places, "faceshield.json"])


def test_the_longest_names_under_a_longer_suffix(cli, put, portrait, me, report, tmp_path):
    """.webp is a byte longer than .png, and cutting both names makes them one."""
    for last in "ab":
        put(tmp_path / "plain.png", portrait).rename(tmp_path / f"{'x' * 250}{last}.png")
    photos = [tmp_path / f"{'x' * 250}{last}.png" for last in "ab"]
    cli("cloak", *photos, "-o", tmp_path / "out", "--format", "webp", "--jobs", 2)
    places = [photo["output"] for photo in report(tmp_path / "out")["photos"]]
    assert outputs(tmp_path / "out") == sorted([*places, "faceshield.json"])
    assert sorted(map(len, places)) == [255, 255]


def test_folders_keep_their_shape(cli, put, portrait, me, tmp_path):
    for place in ("a.png", "2023/a.png", "2023/may/b.png"):
        put(tmp_path / "in" / place, portrait)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out")
    assert outputs(tmp_path / "out") == ["2023/a.png", "2023/may/b.png", "a.png", "faceshield.json"]


def test_one_name_in_two_folders_comes_out_twice(cli, put, portrait, me, report, pixels, tmp_path):
    first, second = put(tmp_path / "x/a.png", portrait), put(tmp_path / "y/a.png", portrait[:, ::-1].copy())
    cli("cloak", first.parent, second.parent, "-o", tmp_path / "out")
    assert outputs(tmp_path / "out") == ["a-2.png", "a.png", "faceshield.json"]
    for photo, original in zip(report(tmp_path / "out")["photos"], (first, second), strict=True):
        assert photo["source"] == str(original)
        assert np.abs(pixels(tmp_path / "out" / photo["output"]) - pixels(original)).max() <= 8


def test_one_stem_with_two_suffixes_comes_out_twice(cli, put, portrait, me, report, tmp_path):
    for name in ("a.png", "a.bmp", "A.tif"):
        put(tmp_path / "in" / name, portrait)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--format", "png")
    places = [photo["output"] for photo in report(tmp_path / "out")["photos"]]
    assert len({place.casefold() for place in places}) == 3
    assert outputs(tmp_path / "out") == sorted([*places, "faceshield.json"])


def test_the_same_photo_named_twice_comes_out_once(cli, source, report, tmp_path):
    cli("cloak", source, source / "a.png", source / "../in/a.png", "-o", tmp_path / "out")
    assert len(report(tmp_path / "out")["photos"]) == 1


def test_other_files_and_hidden_ones_are_not_looked_at(cli, put, source, portrait, report, tmp_path):
    (source / "notes.txt").write_text("text")
    (source / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    put(source / ".hidden.png", portrait)
    put(source / ".trash/b.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out")
    assert "2 other files in the folders were not looked at" in result.stdout
    whole = report(tmp_path / "out")
    assert [photo["output"] for photo in whole["photos"]] == ["a.png"]
    assert sorted(whole["ignored"]) == [str(source / "clip.mp4"), str(source / "notes.txt")]


def test_a_file_named_outright_is_taken_whatever_its_name(cli, put, portrait, me, report, tmp_path):
    first = put(tmp_path / "in/.hidden.png", portrait)
    second = put(tmp_path / "in/picture", portrait, "PNG")
    cli("cloak", first, second, "-o", tmp_path / "out")
    assert [photo["output"] for photo in report(tmp_path / "out")["photos"]] == [".hidden.png", "picture.png"]


def test_links_are_read_and_never_written_through(cli, put, portrait, me, source, hashes, tmp_path):
    (source / "a.png").rename(tmp_path / "real.png")
    (source / "a.png").symlink_to(tmp_path / "real.png")
    (source / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (source / "loop").symlink_to(source)
    before = hashes(source)
    cli("cloak", source, "-o", tmp_path / "out")
    assert outputs(tmp_path / "out") == ["a.png", "faceshield.json"]
    assert not (tmp_path / "out/a.png").is_symlink()
    assert hashes(source) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_not_waited_for(cli, source, tmp_path):
    os.mkfifo(source / "pipe.png")
    cli("cloak", source, "-o", tmp_path / "out")
    result = cli("cloak", source / "pipe.png", "-o", tmp_path / "out2", code=4)
    assert "not a regular file" in result.stderr


def test_originals_are_not_touched(cli, put, source, portrait, hashes, tmp_path):
    put(source / "b.jpg", portrait)
    put(source / "c.tif", portrait)
    before = hashes(source), {path.name: path.stat() for path in source.iterdir()}
    cli("cloak", source, "-o", tmp_path / "out")
    assert hashes(source) == before[0]
    for path in source.iterdir():
        now = path.stat()
        assert (now.st_mtime_ns, now.st_mode, now.st_ino) == (
            before[1][path.name].st_mtime_ns,
            before[1][path.name].st_mode,
            before[1][path.name].st_ino,
        )


# ---- jobs, and the identity


def test_the_number_of_jobs_changes_no_byte(cli, put, portrait, me, hashes, report, tmp_path):
    for number in range(5):
        put(tmp_path / f"in/{number}.png", np.roll(portrait, 7 * number, axis=1))
    (tmp_path / "in/3b.png").write_bytes(b"broken")
    outs = []
    for jobs in (1, 4):
        out = tmp_path / f"out{jobs}"
        cli("cloak", tmp_path / "in", "-o", out, "--jobs", jobs, code=4)
        outs.append({name: value for name, value in hashes(out).items() if name != "faceshield.json"})
        assert len(outs[-1]) == 5
    assert outs[0] == outs[1]
    assert report(tmp_path / "out1")["photos"] == report(tmp_path / "out4")["photos"]


def test_the_identity_is_made_once_and_reused_to_the_byte(cli, put, portrait, hashes, report, home, tmp_path):
    put(tmp_path / "in/a.png", portrait)
    for out in ("one", "two"):
        cli("cloak", tmp_path / "in", "-o", tmp_path / out, "--fast")
        if out == "one":
            kept = hashes(home)
    assert list(kept) == ["identities/me.safetensors"]
    assert hashes(home) == kept
    assert (tmp_path / "one/a.png").read_bytes() == (tmp_path / "two/a.png").read_bytes()
    one, two = (report(tmp_path / out)["identity"] for out in ("one", "two"))
    assert one == two


def test_fast_takes_the_banks_noise_and_says_so(cli, put, portrait, report, pixels, tmp_path):
    source = put(tmp_path / "in/a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", "--fast")
    assert "public (--fast)" in result.stdout
    assert "correlation with the public bank 1.00" in result.stdout
    assert report(tmp_path / "out")["identity"]["kind"] == "bank"
    assert 0 < np.abs(pixels(tmp_path / "out/a.png") - pixels(source)).max() <= 8
    later = cli("cloak", source, "-o", tmp_path / "out2")
    assert "carries a public noise" in later.stdout


def test_fast_with_a_private_identity_keeps_it(cli, source, report, tmp_path):
    assert "--fast was not needed" in cli("cloak", source, "-o", tmp_path / "out", "--fast").stdout
    assert report(tmp_path / "out")["identity"]["kind"] == "private"


def test_a_private_noise_is_made_from_the_persons_photos(cli, put, portrait, report, tmp_path, monkeypatch):
    """The real thing with few steps: made, kept, not the bank's, the same for the same secret."""
    from faceshield.cloaking import prepare
    from faceshield.noise.identity import make_private_noise

    monkeypatch.setattr(prepare, "make_private_noise", lambda *a, **k: make_private_noise(*a, **{**k, "steps": 4}))
    monkeypatch.setenv("FACESHIELD_SECRET", "for a test")
    put(tmp_path / "in/a.png", portrait)
    for name in ("one", "two"):
        cli("cloak", tmp_path / "in", "-o", tmp_path / name, "--identity", name)
    one, two = vault.load("one"), vault.load("two")
    assert one.kind == "private"
    assert one.photos == 1
    assert float(one.delta.abs().max()) <= 8 / 255 + 1e-6
    assert one.delta.equal(two.delta)
    assert abs(report(tmp_path / "one")["identity"]["bank_correlation"]) < 0.6
    assert (tmp_path / "one/a.png").read_bytes() == (tmp_path / "two/a.png").read_bytes()


# ---- which face


@pytest.fixture
def two(astronaut):
    """(256, 448, 3): the astronaut twice, the right one smaller."""
    wide = np.full((256, 448, 3), 128, np.uint8)
    wide[:, :224] = astronaut[:256, 110:334]
    wide[56:, 260:435] = cv2.resize(astronaut[:256, 110:334], (175, 200), interpolation=cv2.INTER_AREA)
    return wide


def changed_sides(pixels, a, b):
    change = np.abs(pixels(b) - pixels(a)).max(2)
    return bool(change[:, :224].any()), bool(change[:, 260:].any())


@pytest.mark.parametrize(
    ("face", "sides"),
    [
        ("largest", (True, False)),
        ("1", (True, False)),
        ("2", (False, True)),
        ("all", (True, True)),
        ("310,100,70,90", (False, True)),
    ],
)
def test_the_chosen_face_alone_is_changed(face, sides, cli, me, put, pixels, report, two, tmp_path):
    source = put(tmp_path / "two.png", two)
    cli("cloak", source, "-o", tmp_path / "out", "--face", face)
    assert changed_sides(pixels, source, tmp_path / "out/two.png") == sides
    (photo,) = report(tmp_path / "out")["photos"]
    assert photo["faces_seen"] == 2
    assert len(photo["faces"]) == sum(sides)


def test_a_face_that_is_not_there(cli, me, put, two, tmp_path):
    source = put(tmp_path / "two.png", two)
    result = cli("cloak", source, "-o", tmp_path / "out", "--face", 3, code=3)
    assert "face 3 was asked for, 2 were found" in result.stderr
    assert not (tmp_path / "out/two.png").exists()


@pytest.mark.parametrize("face", ["middle", "0", "1,2,3", "0,0,-5,9"])
def test_a_choice_that_cannot_be_read(face, cli, source, tmp_path):
    result = cli("cloak", source, "-o", tmp_path / "out", "--face", face, code=2)
    assert "is not a choice; use largest, all" in result.stderr


@pytest.mark.parametrize("box", ["100,100,12,12", "-50,-50,100,100", "0,0,100000,100000"])
def test_boxes_drawn_by_hand_of_any_size(box, cli, me, put, pixels, portrait, report, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    cli("cloak", source, "-o", tmp_path / "out", "--face", box)
    change = pixels(tmp_path / "out/a.png") - pixels(source)
    assert np.abs(change).max() <= 8
    (photo,) = report(tmp_path / "out")["photos"]
    y0, x0, y1, x1 = photo["faces"][0]["region"]
    change[y0:y1, x0:x1] = 0
    assert not change.any()
    text = (tmp_path / "out/faceshield.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


@pytest.mark.parametrize("box", ["100,100,1,1", "0,0,3,3", "223.9,255.9,0.2,0.2"])
def test_a_box_too_small_to_hold_noise_protects_nothing_and_says_so(box, cli, me, put, portrait, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", "--face", box, code=3)
    assert "0 cloaked, 1 left unprotected" in result.stdout
    assert "too small or too far outside" in result.stderr


def test_like_takes_the_person_of_the_picture(cli, me, put, pixels, report, astronaut, shared, tmp_path):
    """A group of strangers with the astronaut pasted in: she is found, wherever she stands."""
    from PIL import Image

    with Image.open(shared / "photos/group.jpg") as picture:
        picture.thumbnail((900, 900))
        group = np.array(picture.convert("RGB"))
    group[:130, :112] = np.asarray(Image.fromarray(astronaut[:260, 110:334]).resize((112, 130)))
    source, like = put(tmp_path / "group.png", group), put(tmp_path / "like.png", astronaut)
    cli("cloak", source, "-o", tmp_path / "out", "--like", like)
    (photo,) = report(tmp_path / "out")["photos"]
    assert photo["faces_seen"] > 3
    assert len(photo["faces"]) == 1
    assert photo["faces"][0]["box"][2] < 112
    change = np.abs(pixels(tmp_path / "out/group.png") - pixels(source)).max(2)
    assert change[:130, :112].any()
    assert not change[:, 150:].any()


def test_like_somebody_else_leaves_the_photo_alone(cli, me, put, portrait, shared, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", "--like", shared / "photos/portrait_a.jpg", code=3)
    assert "nobody in this photo looks like portrait_a.jpg" in result.stderr


def test_like_without_a_face_and_like_with_face(cli, me, put, source, astronaut, tmp_path):
    empty = put(tmp_path / "empty.png", astronaut[300:, 300:])
    assert "shows no clear face" in cli("cloak", source, "-o", tmp_path / "out", "--like", empty, code=3).stderr
    result = cli("cloak", source, "-o", tmp_path / "out", "--like", empty, "--face", "1", code=2)
    assert "both choose a face" in result.stderr
    assert not (tmp_path / "out").exists()


def test_all_faces_of_a_group(cli, me, pixels, report, shared, tmp_path):
    cli("cloak", shared / "photos/group.jpg", "-o", tmp_path / "out", "--face", "all", "--format", "png")
    (photo,) = report(tmp_path / "out")["photos"]
    assert len(photo["faces"]) == photo["faces_seen"] == 6
    change = pixels(tmp_path / "out/group.png") - pixels(shared / "photos/group.jpg")
    assert np.abs(change).max() == 8
    for y0, x0, y1, x1 in (face["region"] for face in photo["faces"]):
        assert change[y0:y1, x0:x1].any()
        change[y0:y1, x0:x1] = 0
    assert not change.any()


# ---- from Python


@pytest.mark.parametrize("kind", [str, Path])
def test_like_may_be_text(kind, me, put, portrait, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    report = cloak(source, tmp_path / "out", Options(like=kind(source)))
    assert report.exit_code == 0
    assert report.options["like"] == str(source)


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_face_is_looked_for_once(jobs, put, portrait, ready, monkeypatch, tmp_path):
    """Making the noise looks at the photos that are then cloaked; one that has changed since is looked at again."""
    for number in range(3):
        put(tmp_path / f"in/{number}.png", np.roll(portrait, number, axis=1))
    real, looked = AnyRollDetector.detect, []

    def detect(self, rgb):
        looked.append(rgb.tobytes())
        return real(self, rgb)

    def make(*arguments, **options):
        put(tmp_path / "in/2.png", portrait[:, ::-1].copy())
        return ready

    monkeypatch.setattr(AnyRollDetector, "detect", detect)
    monkeypatch.setattr(run_module, "make_identity", make)
    report = cloak(tmp_path / "in", tmp_path / "out", Options(jobs=jobs))
    assert [photo.faces_seen for photo in report.select("cloaked")] == [1, 1, 1]
    assert len(looked) == len(set(looked)) == 4


def test_three_lines_of_python_print_nothing(put, portrait, me, tmp_path, monkeypatch, capsys):
    put(tmp_path / "selfies/a.png", portrait)
    monkeypatch.chdir(tmp_path)
    report = cloak("selfies", "cloaked", Options(identity="me"))
    assert (len(report.select("cloaked")), len(report.photos)) == (1, 1)
    assert report.exit_code == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((tmp_path / "cloaked/faceshield.json").read_text())["photos"][0]["output"] == "a.png"


def test_progress_tells_every_stage(put, portrait, tmp_path):
    for number in range(3):
        put(tmp_path / f"in/{number}.png", portrait)
    heard = []
    cloak(tmp_path / "in", tmp_path / "out", Options(fast=True), progress=lambda *said: heard.append(said))
    assert {stage for stage, _, _ in heard} == {"looking", "cloaking"}
    assert [said for said in heard if said[0] == "cloaking"] == [("cloaking", n, 3) for n in range(4)]


def test_progress_hears_of_the_noise(put, portrait, tmp_path, monkeypatch):
    from faceshield.cloaking import prepare
    from faceshield.noise.identity import make_private_noise

    monkeypatch.setattr(prepare, "make_private_noise", lambda *a, **k: make_private_noise(*a, **{**k, "steps": 4}))
    heard = []
    cloak(put(tmp_path / "a.png", portrait), tmp_path / "out", progress=lambda *said: heard.append(said))
    assert [said for said in heard if said[0] == "making noise"] == [("making noise", n, 4) for n in range(1, 5)]


@pytest.mark.parametrize(
    "wrong",
    [{"epsilon": 0}, {"epsilon": 8}, {"epsilon": float("nan")}, {"quality": 0}, {"quality": 101}, {"jobs": -1}],
)
def test_options_out_of_range(wrong):
    with pytest.raises(UsageError):
        Options(**wrong)


def test_single_photos_have_faces_of_their_own(shared, tmp_path, me, report):
    """Two faces of six in the group photo, the largest in the other one."""
    group, portrait = shared / "photos/group.jpg", shared / "photos/portrait_a.jpg"
    options = Options(faces={str(group): "2+5"})
    found = cloak([group, portrait], tmp_path / "out", options)
    counts = {Path(photo.source).name: len(photo.faces) for photo in found.photos}
    assert counts == {"group.jpg": 2, "portrait_a.jpg": 1}
    assert report(tmp_path / "out")["options"]["faces"] == {str(group): "2+5"}
