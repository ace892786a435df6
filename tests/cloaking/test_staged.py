"""Photos in a store: outputs and report are those of a run here, whatever stops it, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections import namedtuple

import numpy as np
import pytest

from faceshield.cloaking import open_photos, staged
from faceshield.cloaking import worker as worker_module
from faceshield.cloaking.journal import JOURNAL
from faceshield.cloaking.mirror import open_mirror
from faceshield.cloaking.open_photos import OPEN
from faceshield.core import remote
from faceshield.core.address import Address
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import CLOAKED

fsspec = pytest.importorskip("fsspec")
IN, OUT = "memory://bucket/in", "memory://bucket/out"


@pytest.fixture
def store():
    """fsspec's store in memory, empty before and after."""
    files = fsspec.filesystem("memory")
    files.store.clear(), files.pseudo_dirs.clear()
    yield files
    files.store.clear(), files.pseudo_dirs.clear()


@pytest.fixture
def source(put, portrait, me, store, tmp_path):
    """The same album in a folder, which is returned, and in the store."""
    folder = tmp_path / "in"
    put(folder / "a.png", portrait)
    put(folder / "deep.png/b [1].jpg", np.roll(portrait, 9, axis=1))
    put(folder / "no face.png", portrait[:40, :40])
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "note.txt").write_text("no picture either")
    (folder / ".hidden.png").write_bytes(b"hidden")
    for path in folder.rglob("*"):
        if path.is_file():
            store.pipe_file(f"/bucket/in/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def held(store, folder="/bucket/"):
    """The bytes of all files by key."""
    return {name: file.getvalue() for name, file in store.store.items() if name.startswith(folder)}


def shutting(store, call):
    """The files of ``store`` below its output folder after ``call``, when those of its input folder are as before."""
    before = held(store, "/bucket/in/")
    result = call()
    assert held(store, "/bucket/in/") == before
    return result


def test_outputs_and_report_are_those_of_a_run_here(cli, source, store, home, tmp_path):
    here = cli("cloak", source, "-o", tmp_path / "out", code=4)
    there = shutting(store, lambda: cli("cloak", IN, "-o", OUT, code=4))
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    files = {path.relative_to(tmp_path / "out").as_posix(): path for path in written}
    outputs = held(store, "/bucket/out/")
    assert {name.removeprefix("/bucket/out/") for name in outputs} == set(files)
    reports = []
    for name, path in files.items():
        told, found = path.read_text() if name == CLOAKED else path.read_bytes(), outputs[f"/bucket/out/{name}"]
        if name == CLOAKED:
            reports = [json.loads(told.replace(str(source), IN)), json.loads(found)]
        else:
            assert told == found
    assert {**reports[0], "started": None} == {**reports[1], "started": None}
    assert [photo["status"] for photo in reports[1]["photos"]] == ["cloaked", "failed", "cloaked", "unprotected"]
    assert reports[1]["ignored"] == [f"{IN}/note.txt"]
    assert there.output == here.output.replace(str(source), IN).replace(str(tmp_path / "out"), OUT)
    assert not any((home / "copies").iterdir())


def test_photos_here_may_come_out_in_a_store(cli, source, store):
    cli("cloak", source / "a.png", "-o", OUT)
    assert set(held(store, "/bucket/out/")) == {"/bucket/out/a.png", f"/bucket/out/{CLOAKED}"}


def test_one_photo_and_its_folder_are_one_photo(cli, source, store):
    cli("cloak", f"{IN}/deep.png", f"{IN}/deep.png/b [1].jpg", "-o", OUT)
    assert len(json.loads(store.cat_file(f"/bucket/out/{CLOAKED}"))["photos"]) == 1


def test_resume_does_only_what_the_store_has_not(cli, source, store, home, monkeypatch):
    real, done = worker_module.cloak_one, []

    def stop_at_the_second(photo, digest, item, *rest):
        if done:
            raise StoreError(f"{item.source}: the disk is full")
        done.append(item.source.name)
        return real(photo, digest, item, *rest)

    monkeypatch.setattr(worker_module, "cloak_one", stop_at_the_second)
    stopped = cli("cloak", IN, "-o", OUT, "--jobs", "1", code=5)
    assert f"{IN}/deep.png/b [1].jpg: the disk is full" in stopped.stderr
    begun = held(store, "/bucket/out/")
    assert set(begun) == {f"/bucket/out/{name}" for name in ("a.png", JOURNAL, OPEN)}
    assert not any(str(home).encode() in data for data in begun.values())
    assert "use --resume" in cli("cloak", IN, "-o", OUT, code=2).stderr
    assert held(store, "/bucket/out/") == begun

    monkeypatch.setattr(worker_module, "cloak_one", lambda photo, digest, item, *rest: (
        done.append(item.source.name), real(photo, digest, item, *rest))[1])  # fmt: skip
    shutting(store, lambda: cli("cloak", IN, "-o", OUT, "--resume", code=4))
    assert sorted(done) == ["a.png", "b [1].jpg", "no face.png"]  # threads finish as they like
    whole = {f"/bucket/out/{name}" for name in ("a.png", "deep.png/b [1].jpg", CLOAKED)}
    assert set(held(store, "/bucket/out/")) == whole
    monkeypatch.setattr(remote.Store, "put", lambda self, path, address: wrote.append(address.path))
    wrote = []
    monkeypatch.setattr(remote.Store, "remove", lambda self, address: None)
    cli("cloak", IN, "-o", OUT, "--resume", code=4)
    assert [name for name in wrote if name.endswith((".png", ".jpg"))] == []


def test_killed_at_any_step_of_the_store_resume_completes(cli, source, store, monkeypatch):
    """A copy of the store after each of its steps is what a run that was killed there would have left."""
    for name in ("broken.jpg", "no face.png"):
        store.rm_file(f"/bucket/in/{name}")
    states = [held(store)]
    with monkeypatch.context() as patch:
        for step in ("put_file", "cp_file", "rm_file"):
            real = getattr(type(store), step)

            def note(self, *arguments, real=real, **options):
                real(self, *arguments, **options)
                states.append(held(self))

            patch.setattr(type(store), step, note)
        patch.setattr(staged, "EVERY", 0)
        cli("cloak", IN, "-o", OUT, "--jobs", "1")
    whole = held(store)
    assert len(states) > 15
    assert any(f"/bucket/out/{JOURNAL}" in state and "/bucket/out/a.png" in state for state in states)
    for state in states:
        account = state.get(f"/bucket/out/{CLOAKED}")
        assert account is None or json.loads(account)["photos"]
        store.store.clear(), store.pseudo_dirs.clear()
        for name, data in state.items():
            store.pipe_file(name, data)
        cli("cloak", IN, "-o", OUT, "--resume")
        after = held(store)
        assert after.keys() - whole.keys() <= {name for name in state if name.endswith((".part", ".probe"))}
        assert {name: after[name] for name in whole if not name.endswith(CLOAKED)} == {
            name: data for name, data in whole.items() if not name.endswith(CLOAKED)
        }


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "deep/../../evil.png",
        "./evil.png",
        "/evil.png",
        "con.png",
        "deep/NUL.x.png",
        "a\x1b[31m.png",
        "a\\b.png",
        "c:evil.png",
    ],
)
@pytest.mark.parametrize("folder", ["in", "out"])
def test_hostile_names_are_refused(folder, name, cli, source, store, home, hashes, tmp_path):
    store.pipe_file("/bucket/x", b"")  # the class of its files
    store.store[f"/bucket/{folder}/{name}"] = store.store["/bucket/x"]
    before, local = held(store), hashes(tmp_path)
    refused = cli("cloak", IN, "-o", OUT, "--resume", code=2)
    assert "is no plain name" in refused.stderr
    assert "\x1b" not in refused.stderr
    assert held(store) == before
    assert hashes(tmp_path) == local
    assert not any((home / "copies").iterdir())


def test_what_a_hostile_report_names_is_not_uploaded(cli, source, store, home, tmp_path):
    """A file of this machine as an output, by a path that leads out of the copies."""
    cli("cloak", IN, "-o", OUT, code=4)
    secret = home / "copies/secret.png"
    secret.write_bytes(b"secret")
    report = json.loads(store.cat_file(f"/bucket/out/{CLOAKED}"))
    report["photos"][0] |= {"output": "../../../../secret.png", "source": f"{IN}/gone.png"}
    report["photos"][0]["sha256_output"] = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    store.pipe_file(f"/bucket/out/{CLOAKED}", json.dumps(report).encode())
    cli("cloak", IN, "-o", OUT, "--resume", code=None)
    assert b"secret" not in held(store).values()
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize(
    "address", ["s3://AKIA:5ec7e7@bucket/in", "s3://5ec7e7:bucket/in", "memory://b/in?X-Amz-Signature=5ec7e7", "https://u:5ec7e7@h/in"]
)  # fmt: skip
def test_secrets_in_an_address_are_refused_and_not_repeated(address, cli, tmp_path):
    for places in ([address, "-o", OUT], [tmp_path, "-o", address]):
        refused = cli("cloak", *places, code=2)
        assert "leave those to the settings of the store" in refused.stderr
        assert "5ec7e7" not in refused.output


def test_what_the_stores_library_says_is_not_repeated(cli, source, store, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError("signed with 5ec7e7")

    monkeypatch.setattr(type(store), "find", refuse)
    refused = cli("cloak", IN, "-o", OUT, code=5)
    assert f"{IN}: cannot be listed (PermissionError)" in refused.stderr
    assert "5ec7e7" not in refused.output


@pytest.mark.parametrize("out", [IN, f"{IN}/deep.png", "memory://bucket", f"{IN}/"])
def test_output_and_input_in_each_other_are_refused(out, cli, source, store, monkeypatch):
    before = held(store)
    monkeypatch.setattr(remote.Store, "__init__", None)  # before the store is asked
    assert "lie in each other" in cli("cloak", IN, "-o", out, code=2).stderr
    assert held(store) == before


def test_a_name_that_only_begins_alike_is_another_folder(cli, source, store):
    shutting(store, lambda: cli("cloak", f"{IN}/a.png", "-o", f"{IN}put"))


def test_somebody_elses_picture_is_never_overwritten(cli, source, store, monkeypatch):
    store.pipe_file("/bucket/out/a.png", b"theirs")
    refused = cli("cloak", IN, "-o", OUT, code=2)
    assert f"{OUT}/a.png: exists already and was not made by this run" in refused.stderr
    store.rm_file("/bucket/out/a.png")
    real = worker_module.cloak_one

    def meanwhile(*arguments):
        store.pipe_file("/bucket/out/a.png", b"theirs")
        return real(*arguments)

    monkeypatch.setattr(worker_module, "cloak_one", meanwhile)
    stopped = cli("cloak", IN, "-o", OUT, code=5)
    assert f"{OUT}/a.png: was put there while this run worked" in stopped.stderr
    assert store.cat_file("/bucket/out/a.png") == b"theirs"
    cli("cloak", IN, "-o", OUT, "--resume", code=4)
    assert store.cat_file("/bucket/out/a.png") == b"theirs"
    assert store.exists("/bucket/out/a-2.png")


def test_a_photo_that_crashed_its_codec_is_known_on_every_machine(cli, source, store, home, monkeypatch, tmp_path):
    with open_mirror(home / "copies", Address.parse(OUT)) as mirror:
        killed = mirror.folder
    place = killed / "memory/bucket"
    (place / "out").mkdir(parents=True)
    (place / "out" / OPEN).write_text(f'\n["{place}/in/a.png", true]')
    (place / "in").mkdir()
    (place / "in/a.png").write_bytes(b"an old copy")
    monkeypatch.setattr(open_photos, "survives", lambda path: False)
    for options in ([], ["--resume"], ["--resume", "--work", tmp_path / "another machine"]):
        stopped = cli("cloak", IN, "-o", OUT, *options, code=4)
        assert f"failed: {IN}/a.png: crashes the codec" in stopped.stderr
        assert not killed.exists()
    assert str(home).encode() not in store.cat_file(f"/bucket/out/{OPEN}")


def test_copies_lie_in_a_private_folder_and_are_deleted(cli, source, store, tmp_path, monkeypatch):
    seen = []

    def look(*arguments):
        (folder,) = (tmp_path / "work").iterdir()
        seen.append((stat.S_IMODE(folder.stat().st_mode), (folder / "memory/bucket/in/a.png").is_file()))
        raise StoreError("stop")

    monkeypatch.setattr(worker_module, "cloak_one", look)
    cli("cloak", IN, "-o", OUT, "--work", tmp_path / "work", "--jobs", "1", code=5)
    assert seen == [(0o700, True)]
    assert not any((tmp_path / "work").iterdir())


def test_a_folder_for_copies_that_is_taken(cli, source, tmp_path):
    work, out = tmp_path / "work", Address.parse(OUT)
    with open_mirror(work, out) as mirror:
        assert "another run is writing there" in cli("cloak", IN, "-o", OUT, "--work", work, code=2).stderr
    mirror.folder.symlink_to(source)
    assert "belongs to somebody else" in cli("cloak", IN, "-o", OUT, "--work", work, code=5).stderr
    assert (source / "a.png").is_file()


def test_copies_that_do_not_fit_are_refused(cli, source, store, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, 1000))
    refused = cli("cloak", IN, "-o", OUT, code=2)
    assert "choose another folder by --work" in refused.stderr
    assert not held(store, "/bucket/out/")


def test_a_copy_that_was_cut_off_stops_the_run(cli, source, store, monkeypatch):
    real = type(store).info
    monkeypatch.setattr(type(store), "info", lambda self, path, **options: (
        {**real(self, path), "size": 10**5} if path.endswith("a.png") else real(self, path)))  # fmt: skip
    assert "was cut off or written to" in cli("cloak", f"{IN}/a.png", "-o", OUT, code=5).stderr


def test_names_that_differ_in_what_this_disk_does_not_tell_apart(store, tmp_path):
    """As 'A.png' and 'a.png' on macOS and Windows; here a file that is there already."""
    store.pipe_file("/bucket/in/a.png", b"abc")
    files, place = remote.Store("memory"), tmp_path / "a.png"
    files.fetch(Address.parse(f"{IN}/a.png"), place, 3)
    with pytest.raises(UsageError, match="cannot have a copy here"):
        files.fetch(Address.parse(f"{IN}/a.png"), place, 3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([IN, "-o", "here"], "photos at an address come out at one"),
        ([IN, "-o", "s3://bucket/out"], "another kind of store"),
        (["memory://bucket/nothing", "-o", OUT], "no such file or folder"),
        ([IN, "-o", f"{OUT}/a.png"], "is a file; the output must be a folder"),
        (["in", "-o", "here", "--work", "w"], "is for copies of photos at an address"),
        (["gs://bucket/in", "-o", OUT], "gs:// is not read; mount it"),
        (["simplecache::memory://bucket/in", "-o", OUT], "is not read; mount it"),
        (["memory://bucket/../in", "-o", OUT], "is no plain address"),
    ],
)
def test_requests_that_make_no_sense(arguments, told, cli, source, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.pipe_file("/bucket/out/a.png", b"")
    before = held(store)
    assert told in cli("cloak", *arguments, code=2).stderr
    assert held(store) == before
    assert not (tmp_path / "here").exists()


def test_a_cluster_needs_a_folder_that_all_machines_see(source):
    from faceshield import Options

    with pytest.raises(UsageError, match="name it by --work"):
        staged.cloak_staged([Address.parse(IN)], Address.parse(OUT), Options(), cluster=object())


@pytest.mark.parametrize(("scheme", "package"), [("memory", "fsspec"), ("s3", "s3fs")])
def test_a_missing_package_is_told(scheme, package, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    refused = cli("cloak", f"{scheme}://bucket/in", "-o", f"{scheme}://bucket/out", code=2)
    assert "pip install 'faceshield[cluster]'" in refused.stderr
