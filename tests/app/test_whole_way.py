"""From upload to download with the networks: the same bytes as from the command line."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceshield.app import hands
from faceshield.app.refusals import Limits
from faceshield.app.settings import Settings
from faceshield.noise import vault


@pytest.fixture
def upload(client, session):
    session.limits = Limits(spare_bytes=0)

    def send(path: Path, role="album"):
        id = client.post("/api/photos", params={"name": path.name, "role": role}, content=path.read_bytes()).json()[
            "id"
        ]
        return session.album.get(id)

    return send


def cloak(session, settings, out):
    """Run the job's own function here, as the process would, and note what it sends."""
    photos = [photo for photo in session.album.list("album") if photo.state == "ready" and photo.chosen]
    out.mkdir()
    sent = []
    choices = [(photo.file, photo.face_choice) for photo in photos]
    hands.cloak_album(sent.append, choices, out, {**vars(settings)}, resume=False, jobs=1)
    by_file = {str(photo.file): photo for photo in photos}
    for message in sent:
        if message[0] == "photo":
            session.album.set_result(by_file[message[1]["source"]], message[1], out, {})
    return sent


def test_faces_are_found_and_the_largest_is_chosen(upload, client, put, portrait, tmp_path):
    photo = upload(put(tmp_path / "a.jpg", portrait))
    shown = client.get("/api/state").json()["photos"][0]
    assert shown["state"] == "ready"
    assert (shown["width"], shown["height"]) == (portrait.shape[1], portrait.shape[0])
    assert [face["clear"] for face in shown["faces"]] == [True]
    assert shown["chosen"] == [0]
    assert shown["choice"] == "largest"
    thumb = client.get(f"/api/photos/{photo.id}/thumb")
    assert Image.open(io.BytesIO(thumb.content)).size == (portrait.shape[1], portrait.shape[0])
    client.put(f"/api/photos/{photo.id}/chosen", json=[])
    assert photo.face_choice == ""
    assert client.put(f"/api/photos/{photo.id}/chosen", json=[1]).status_code == 404
    assert client.put(f"/api/photos/{photo.id}/chosen", json="0").status_code == 400


def test_what_is_no_photo_is_told_by_its_own_name(upload, tmp_path):
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    photo = upload(tmp_path / "letter.jpg")
    assert photo.state == "failed"
    assert photo.message.startswith("letter.jpg: is not a picture")
    assert str(photo.file.parent) not in photo.message


def test_the_same_photo_twice_is_one(upload, put, portrait, tmp_path, session):
    first = upload(put(tmp_path / "a.jpg", portrait))
    assert upload(tmp_path / "a.jpg") is first
    assert upload(tmp_path / "a.jpg", "clean") is not first
    assert len(list(session.album.folder.iterdir())) == 2


def test_the_downloaded_bytes_are_the_command_lines(upload, session, client, cli, put, portrait, me, tmp_path, hashes):
    source = put(tmp_path / "source/My photo.JPG", portrait, "JPEG", quality=91)
    put(tmp_path / "source/b.png", portrait[:, ::-1])
    for path in sorted((tmp_path / "source").iterdir()):
        upload(path)
    cloak(session, Settings(metadata="none"), session.work / "out")
    cli("cloak", tmp_path / "source", "-o", tmp_path / "expected", "--metadata", "none")
    for photo in session.album.list():
        answer = client.get(f"/api/photos/{photo.id}/result")
        assert f'filename="{photo.name}"' in answer.headers["content-disposition"]
        assert answer.content == (tmp_path / "expected" / photo.name).read_bytes(), photo.name
        assert answer.content != (source.parent / photo.name).read_bytes()


def test_a_private_noise_made_by_the_app_is_the_command_lines(
    upload, session, cli, put, portrait, tmp_path, monkeypatch
):
    """The same secret and photos in the same order give the same noise."""
    monkeypatch.setenv("FACESHIELD_SECRET", "5ec7e7" * 5)
    monkeypatch.setattr("faceshield.cloaking.prepare.make_private_noise", first_crops_as_noise)
    for name, shift in [("b.png", 0), ("a.png", 10)]:
        upload(put(tmp_path / "source" / name, np.roll(portrait, shift, 1)))
    from faceshield.app.cloak_job import list_due

    due = list_due(session.album, Settings())
    assert [photo.name for photo in due] == ["a.png", "b.png"]
    (session.work / "out").mkdir()
    arguments = {"out": session.work / "out", "settings": vars(Settings(identity="app")), "resume": False, "jobs": 1}
    hands.cloak_album(lambda message: None, [(photo.file, photo.face_choice) for photo in due], **arguments)
    cli("cloak", tmp_path / "source", "-o", tmp_path / "expected", "--identity", "cli")
    assert vault.load("app").delta.equal(vault.load("cli").delta)
    for photo in due:
        made = session.work / "out" / photo.file.name
        assert made.read_bytes() == (tmp_path / "expected" / photo.name).read_bytes()


def first_crops_as_noise(crops, classes, ensemble, budget, transforms, secret, on_step=None):
    """Stands for the minute of making a noise; depends on all crops and on their order."""
    weights = np.arange(1, len(crops) + 1)[:, None, None, None]
    values = (crops.double().numpy() * weights).sum(0)
    import torch

    return budget.project(torch.from_numpy(values / values.max() - 0.5).float()), 0


def test_two_faces_of_six_are_cloaked_and_the_others_are_not(upload, session, client, me, shared, pixels):
    photo = upload(shared / "photos/group.jpg")
    assert len(photo.seen["faces"]) == 6
    client.put(f"/api/photos/{photo.id}/chosen", json=[4, 1])
    assert photo.face_choice == "2+5"
    cloak(session, Settings(format="png"), session.work / "out")
    assert len(photo.result["faces"]) == 2
    change = np.abs(pixels(photo.output) - pixels(photo.file)).max(2)
    inside = [change[int(y0) : int(y1), int(x0) : int(x1)].max() for x0, y0, x1, y1 in boxes(photo)]
    assert [value > 0 for value in inside] == [False, True, False, False, True, False]


def boxes(photo):
    return [face["box"] for face in photo.seen["faces"]]


def test_a_box_is_taken_for_the_face_in_it_or_at_its_word(upload, session, client, put, astronaut, portrait, tmp_path):
    photo = upload(put(tmp_path / "a.png", portrait))
    (x0, y0, x1, y1) = boxes(photo)[0]
    client.put(f"/api/photos/{photo.id}/chosen", json=[])
    answer = client.post(f"/api/photos/{photo.id}/boxes", json=[x0 - 2, y0 - 2, x1 - x0 + 4, y1 - y0 + 4])
    assert answer.json() == {"same": True}
    assert photo.chosen == [0]
    empty = upload(put(tmp_path / "b.png", astronaut[300:, 300:]))
    assert (empty.seen["faces"], empty.chosen) == ([], [])
    assert client.post(f"/api/photos/{empty.id}/boxes", json=[20, 30, 80, 90]).json() == {"same": False}
    assert empty.chosen == [0]
    assert empty.seen["faces"][0]["drawn"]
    assert empty.face_choice == "20.0,30.0,80.0,90.0"
    for box in ([1, 2, 3], [0, 0, 2, 2], "x", [0, 0, 1e9, 5], [0, 0, None, 5]):
        assert client.post(f"/api/photos/{empty.id}/boxes", json=box).status_code == 400
    answer = client.post(f"/api/photos/{empty.id}/boxes", json=[9000, 9000, 50, 50])
    assert "lies outside the photo" in answer.json()["message"]


def test_a_preview_is_the_cloak_and_leaves_no_identity(upload, session, client, put, portrait, me, tmp_path):
    photo = upload(put(tmp_path / "a.png", portrait))
    asked = {"photo": photo.id, "face": 0, "settings": {"identity": "new", "levels": 4}}
    answer = client.post("/api/preview", json=asked).json()
    assert answer["stands_in"]
    assert 0 < answer["linf_255"] <= 4
    assert vault.list_names() == ["me"]
    asked["settings"] = {"identity": "me", "levels": 8, "format": "png"}
    answer = client.post("/api/preview", json=asked).json()
    assert not answer["stands_in"]
    part = f"/api/pictures/{answer['folder']}/{answer['part']}"
    cloak(session, Settings(format="png"), session.work / "out")
    y0, x0, y1, x1 = photo.result["faces"][0]["region"]
    expected = np.asarray(Image.open(photo.output))[y0:y1, x0:x1]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(client.get(f"{part}-after.png").content))), expected)
    before = np.asarray(Image.open(io.BytesIO(client.get(f"{part}-before.png").content)))
    difference = np.asarray(Image.open(io.BytesIO(client.get(f"{part}-difference.png").content))).astype(int)
    assert np.array_equal(difference, np.clip(128 + 16 * (expected.astype(int) - before), 0, 255))
    assert "FACESHIELD_HOME" in os.environ  # the test's own, put back


def test_an_identity_keeps_its_own_strength(upload, session, client, put, portrait, me, tmp_path):
    photo = upload(put(tmp_path / "a.png", portrait))
    asked = {"photo": photo.id, "face": 0, "settings": {"identity": "me", "levels": 4}}
    assert client.post("/api/preview", json=asked).json()["linf_255"] == 8
    assert Settings(identity="me", levels=4).build_options({}).epsilon == me.epsilon
    assert Settings(identity="anna", levels=4).build_options({}).epsilon == 4 / 255
    assert Settings(identity="me", levels=4, against="search").build_options({}).epsilon == 4 / 255
    asked["settings"] = {"identity": "../me"}
    answer = client.post("/api/preview", json=asked)
    assert answer.status_code == 422
    assert "cannot be used" in answer.json()["message"]


def test_a_moving_picture_without_a_face_at_first_is_not_left_out(upload, session, portrait, astronaut, tmp_path):
    frames = [Image.fromarray(pixels[:200, :200]) for pixels in (astronaut[300:, 300:], portrait)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    photo = upload(tmp_path / "a.gif")
    assert photo.seen["moving"]
    assert (photo.seen["faces"], photo.face_choice) == ([], "largest")


def test_before_and_after_of_the_whole_and_of_the_face(upload, session, client, put, portrait, me, tmp_path):
    photo = upload(put(tmp_path / "a.png", portrait))
    assert client.post(f"/api/photos/{photo.id}/compare").status_code == 404
    cloak(session, Settings(), session.work / "out")
    answer = client.post(f"/api/photos/{photo.id}/compare").json()
    assert answer["parts"] == ["whole", "face0"]
    for part in answer["parts"]:
        for what in ("before", "after", "difference"):
            shown = client.get(f"/api/pictures/{answer['folder']}/{part}-{what}.png")
            assert shown.headers["content-type"] == "image/png"
    client.delete(f"/api/photos/{photo.id}")
    assert client.get(f"/api/pictures/{answer['folder']}/whole-before.png").status_code == 404
    assert not photo.file.exists()
    assert not photo.output.exists()


def test_identities_are_listed_without_secrets(session, client, me, keep):
    keep(name="anna", kind="bank")
    session.list_identities()
    listed = client.get("/api/state").json()["identities"]
    assert [(one["name"], one["kind"], one["levels"]) for one in listed] == [
        ("anna", "bank", 8.0),
        ("me", "private", 8.0),
    ]
    assert me.secret not in json.dumps(listed)


def test_the_check_needs_two_of_each_and_no_originals(upload, session, client, put, portrait, me, tmp_path):
    photos = [upload(put(tmp_path / f"{n}.png", np.roll(portrait, n, 1))) for n in range(2)]
    assert client.post("/api/check").json() == {"error": "few_cloaked", "least": 2}
    cloak(session, Settings(), session.work / "out")
    assert client.post("/api/check").json() == {"error": "few_clean", "least": 2}
    for n in range(2):
        upload(tmp_path / f"{n}.png", "clean")
    assert client.post("/api/check").json() == {"error": "clean_is_original", "name": "0.png"}
    assert all(photo.output is not None for photo in photos)


@pytest.mark.slow
def test_the_check_tells_what_the_audit_finds(upload, session, client, me, shared):
    person = sorted((shared / "selfies/s00").iterdir())
    for path in person[:3]:
        upload(path)
    cloak(session, Settings(), session.work / "out")
    for path in person[10:13]:
        upload(path, "clean")
    session.target = hands.work
    client.post("/api/check")
    job = session.job
    for thread in threading.enumerate():
        if thread.name == "job":
            thread.join(300)
    assert job.state == "done", job.message
    found = client.get("/api/state").json()["check"]["result"]
    assert len(found["lines"]) == 4
    assert "Without a cloak it found the person first" in found["sentences"][1]
    page = client.get("/api/check/report")
    assert page.headers["content-disposition"].startswith("attachment")
    assert session.album.list()[0].id not in page.text
    assert str(session.work) not in page.text
