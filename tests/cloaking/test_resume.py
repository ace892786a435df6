"""Stopped and gone on with: what is done stays as it is, what is not is done, and nothing is mixed up."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceshield import cloak
from faceshield.cloaking import worker as worker_module
from faceshield.cloaking.journal import JOURNAL
from faceshield.core.errors import StoreError
from faceshield.core.outputs import lock_folder
from faceshield.core.store import CLOAKED


def states(out):
    """(bytes, time of change) of every picture below ``out``."""
    return {
        str(path.relative_to(out)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(out.rglob("*.png"))
    }


@pytest.fixture
def source(put, portrait, me, tmp_path):
    """A folder of three portraits, and "me" in the vault."""
    for number in range(3):
        put(tmp_path / f"in/{number}.png", np.roll(portrait, number, axis=1))
    return tmp_path / "in"


def test_a_second_run_without_resume_is_refused(cli, source, hashes, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    before = hashes(tmp_path)
    result = cli("cloak", source, "-o", tmp_path / "out", code=2)
    assert "already holds an earlier run; use --resume" in result.stderr
    assert hashes(tmp_path) == before


def test_resume_does_nothing_again(cli, source, report, tmp_path, monkeypatch):
    cli("cloak", source, "-o", tmp_path / "out")
    before, photos = states(tmp_path / "out"), report(tmp_path / "out")["photos"]
    monkeypatch.setattr(worker_module, "cloak_one", None)
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    assert states(tmp_path / "out") == before
    assert report(tmp_path / "out")["photos"] == photos
    assert not (tmp_path / "out" / JOURNAL).exists()


def test_resume_does_what_is_new(cli, put, source, portrait, report, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    before = states(tmp_path / "out")
    put(source / "1b.png", portrait[:, ::-1].copy())
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"1b.png"}
    assert [photo["output"] for photo in report(tmp_path / "out")["photos"]] == ["0.png", "1.png", "1b.png", "2.png"]


def test_resume_into_an_empty_folder_is_a_run(cli, source, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    assert len(states(tmp_path / "out")) == 3


def test_new_photos_never_take_the_place_of_finished_ones(cli, put, source, portrait, report, pixels, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    before = states(tmp_path / "out")
    other = put(tmp_path / "other/0.png", portrait[:, ::-1].copy())
    cli("cloak", other, source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    first = report(tmp_path / "out")["photos"][0]
    assert (first["source"], first["output"]) == (str(other), "0-2.png")
    assert np.abs(pixels(tmp_path / "out/0-2.png") - pixels(other)).max() <= 8


def test_a_changed_input_is_done_again(cli, put, source, portrait, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    before = states(tmp_path / "out")
    put(source / "0.png", portrait[:, ::-1].copy())
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert after["0.png"][0] != before["0.png"][0]
    assert {name: after[name] for name in ("1.png", "2.png")} == {name: before[name] for name in ("1.png", "2.png")}
    assert len(after) == 3


def test_a_missing_output_is_done_again(cli, source, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    before = states(tmp_path / "out")
    (tmp_path / "out/1.png").unlink()
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert {name: state[0] for name, state in after.items()} == {name: state[0] for name, state in before.items()}


@pytest.mark.parametrize("place", ["1.png", "3.png"])
def test_resume_never_overwrites_what_somebody_put_there_since(place, cli, put, source, portrait, report, tmp_path):
    """In the place of an output, and where a new photo would come out."""
    cli("cloak", source, "-o", tmp_path / "out")
    put(source / "3.png", portrait[:, ::-1].copy())
    theirs = put(tmp_path / "out" / place, portrait[::-1].copy()).read_bytes()
    before = states(tmp_path / "out")
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert after[place] == before[place]
    assert after[place][0] == theirs
    beside = place.replace(".png", "-2.png")
    photos = {Path(photo["source"]).name: photo for photo in report(tmp_path / "out")["photos"]}
    assert photos[place]["output"] == beside
    assert photos[place]["sha256_output"] == hashlib.sha256(after[beside][0]).hexdigest()
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    assert states(tmp_path / "out") == after


def test_a_link_put_there_since_is_not_replaced(cli, put, source, portrait, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    put(source / "3.png", portrait[:, ::-1].copy())
    (tmp_path / "out/3.png").symlink_to(tmp_path / "nowhere.png")
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    assert (tmp_path / "out/3.png").is_symlink()
    assert (tmp_path / "out/3-2.png").is_file()


def test_resume_with_some_of_the_photos_keeps_the_others(cli, put, source, portrait, report, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    whole = {photo["output"]: photo for photo in report(tmp_path / "out")["photos"]}
    before = states(tmp_path / "out")
    (tmp_path / "out/2.png").write_bytes(b"no longer ours")
    new = put(tmp_path / "new/0.png", portrait[:, ::-1].copy())
    cli("cloak", new, source / "1.png", "-o", tmp_path / "out", "--resume")
    photos = report(tmp_path / "out")["photos"]
    assert [photo["output"] for photo in photos] == ["0-2.png", "1.png", "0.png"]
    assert photos[1:] == [whole["1.png"], whole["0.png"]]
    after = states(tmp_path / "out")
    assert (after["0.png"], after["1.png"]) == (before["0.png"], before["1.png"])

    (source / "0.png").unlink()  # the outputs are what counts: an original may be deleted
    cli("cloak", source / "1.png", "-o", tmp_path / "out", "--resume")
    assert [photo["output"] for photo in report(tmp_path / "out")["photos"]] == ["1.png", "0-2.png", "0.png"]


def test_what_a_dead_run_left_half_written_is_removed(cli, put, source, portrait, tmp_path):
    put(source / "deep/a.png", portrait)
    put(source / "busy/a.png", portrait)
    names = [".faceshield-ab12_xyz.part", ".faceshield-young000.part", "deep/.faceshield-00000000.part"]
    others = [".faceshield-ab12_xy.part", ".faceshield-ab12_xyz.part.txt", ".other-ab12_xyz.part", "x.part"]
    # in a folder that another run has for itself
    young, dead, elsewhere = "busy/.faceshield-alive000.part", "busy/.faceshield-dead0000.part", "elsewhere/" + names[0]
    for name in (*names, *others, young, dead, elsewhere):
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        if "young" not in name and name != young:
            os.utime(path, (1, time.time() - 90))
    (tmp_path / "out/.faceshield-folder00.part").mkdir()
    (tmp_path / "out/.faceshield-link0000.part").symlink_to(tmp_path / "out/x.part")
    with lock_folder(tmp_path / "out/busy"):
        cli("cloak", source, "-o", tmp_path / "out")
    assert not any((tmp_path / "out" / name).exists() for name in (*names, dead))
    for name in (*others, young, elsewhere):
        assert (tmp_path / "out" / name).read_bytes() == b"half"
    assert (tmp_path / "out/.faceshield-folder00.part").is_dir()
    assert (tmp_path / "out/.faceshield-link0000.part").is_symlink()


def test_a_photo_left_unprotected_is_tried_again(cli, put, source, astronaut, portrait, tmp_path):
    put(source / "9.png", astronaut[300:, 300:])
    cli("cloak", source, "-o", tmp_path / "out", code=3)
    put(source / "9.png", portrait)
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    assert len(states(tmp_path / "out")) == 4


def test_a_run_that_found_no_face_can_be_gone_on_with(cli, put, astronaut, portrait, tmp_path):
    put(tmp_path / "in/a.png", astronaut[300:, 300:])
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast", code=3)
    put(tmp_path / "in/b.png", portrait)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast", "--resume", code=3)
    assert list(states(tmp_path / "out")) == ["b.png"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--metadata", "none"], "metadata"),
        (["--format", "webp"], "format"),
        (["--face", "1"], "face"),
        (["--identity", "other"], "identity, noise"),
    ],
)
def test_resume_with_other_choices_is_refused(options, word, cli, keep, source, hashes, ready, tmp_path):
    keep(name="other", delta=ready.delta.flip(-1))
    cli("cloak", source, "-o", tmp_path / "out")
    before = hashes(tmp_path)
    result = cli("cloak", source, "-o", tmp_path / "out", "--resume", *options, code=2)
    assert f"was begun with another {word}; resume with the same choices" in result.stderr
    assert hashes(tmp_path) == before


def test_resume_with_another_noise_under_the_same_name_is_refused(cli, keep, source, ready, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    keep(delta=ready.delta.flip(-1))
    result = cli("cloak", source, "-o", tmp_path / "out", "--resume", code=2)
    assert "was begun with another noise" in result.stderr


@pytest.mark.parametrize("text", ["[]", "{}", "null", "not JSON", '{"options": 1, "identity": null, "photos": []}'])
def test_somebody_elses_report_is_not_taken_for_ours(text, cli, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / CLOAKED).write_text(text)
    for options in ([], ["--resume"]):
        result = cli("cloak", source, "-o", tmp_path / "out", *options, code=2)
        assert "not this tool's report" in result.stderr
    assert (tmp_path / "out" / CLOAKED).read_text() == text


def test_a_damaged_account_is_refused(cli, source, ready, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    value = json.loads((tmp_path / "out" / CLOAKED).read_text())
    value["photos"] = [{}]
    (tmp_path / "out" / CLOAKED).write_text(json.dumps(value))
    refused = cli("cloak", source, "-o", tmp_path / "out", "--resume", code=2)
    assert "account of an earlier run is damaged" in refused.stderr


def test_a_journal_line_cut_off_by_a_crash_is_ignored(cli, source, report, tmp_path):
    cli("cloak", source, "-o", tmp_path / "out")
    whole = report(tmp_path / "out")
    settings = {**whole["options"], "noise": whole["identity"]["noise_sha256"]}
    lines = [json.dumps(line) for line in (settings, *whole["photos"])]
    (tmp_path / "out" / CLOAKED).unlink()
    (tmp_path / "out" / JOURNAL).write_text("\n".join(lines)[:-200])
    before = states(tmp_path / "out")
    cli("cloak", source, "-o", tmp_path / "out", "--resume")
    after = states(tmp_path / "out")
    assert (after["0.png"], after["1.png"]) == (before["0.png"], before["1.png"])
    assert after["2.png"][0] == before["2.png"][0]
    assert after["2.png"][1:] != before["2.png"][1:]


def test_a_full_disk_stops_the_run_and_resume_goes_on(source, tmp_path, monkeypatch):
    from faceshield import Options
    from faceshield.cloaking import photo

    real = photo.write_bytes

    def write(path, data):
        if path.name == "1.png":
            raise StoreError(f"{path}: cannot be written (No space left on device); choose another folder")
        real(path, data)

    monkeypatch.setattr(photo, "write_bytes", write)
    with pytest.raises(StoreError, match="No space left"):
        cloak(source, tmp_path / "out", Options(jobs=1))
    assert list(states(tmp_path / "out")) == ["0.png"]
    assert (tmp_path / "out" / JOURNAL).is_file()
    monkeypatch.setattr(photo, "write_bytes", real)
    before = states(tmp_path / "out")
    report = cloak(source, tmp_path / "out", Options(jobs=1, resume=True))
    assert report.exit_code == 0
    after = states(tmp_path / "out")
    assert after["0.png"] == before["0.png"]
    assert len(after) == 3


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 4])
def test_killed_in_the_middle(jobs, cli, put, astronaut, me, hashes, report, home, tmp_path):
    """kill -9 after the first outputs, then --resume: all there, none done twice, nothing half-written among them."""
    count, source, out = 8, tmp_path / "in", tmp_path / "out"
    large = np.asarray(Image.fromarray(astronaut).resize((700, 700)))
    for number in range(count):
        put(source / f"{number:02d}.png", np.roll(large, number, axis=0), compress_level=1)
    originals = hashes(source)
    command = [sys.executable, "-m", "faceshield", "cloak", str(source), "-o", str(out), "--jobs", str(jobs)]
    environment = {**os.environ, "FACESHIELD_HOME": str(home), "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while len(list(out.glob("*.png"))) < 2 and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    begun = states(out)
    assert 2 <= len(begun) < count, "the run was not stopped in its middle"
    assert not (out / CLOAKED).exists()
    for data, _, _ in begun.values():
        assert data.endswith(b"IEND\xaeB\x60\x82"), "a half-written picture stands under its own name"
    journal = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()[1:]]
    finished = {line["output"] for line in journal}
    assert finished <= set(begun)
    assert len(begun) - len(finished) <= jobs

    assert cli("cloak", source, "-o", out, code=2).stderr.count("--resume") == 1
    cli("cloak", source, "-o", out, "--resume", "--jobs", jobs)
    after = states(out)
    assert sorted(after) == [f"{number:02d}.png" for number in range(count)]
    assert {name: after[name] for name in finished} == {name: begun[name] for name in finished}
    assert {name: after[name][0] for name in begun} == {name: begun[name][0] for name in begun}
    photos = report(out)["photos"]
    assert [photo["status"] for photo in photos] == ["cloaked"] * count
    assert {photo["output"]: photo["sha256_output"] for photo in photos} == {
        name: value for name, value in hashes(out).items() if name.endswith(".png")
    }
    assert hashes(source) == originals

    # what the killed run left half-written is no picture to anyone, this command included
    leftovers = [path for path in out.iterdir() if path.name.endswith(".part")]
    assert all(path.name.startswith(".") for path in leftovers)
    cli("cloak", out, "-o", tmp_path / "again", "--jobs", jobs)
    assert len(report(tmp_path / "again")["photos"]) == count
