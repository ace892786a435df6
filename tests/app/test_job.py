"""Jobs in a process: done, cancelled, gone on with, and without the photo that ends it."""

from __future__ import annotations

import time

from app_samples import DEADLY, REPORT, SLOW

from faceshield.app.settings import Settings


def fill(session, *contents):
    """Photos with a chosen face, as if they had been looked at."""
    photos = []
    for number, content in enumerate(contents):
        file = session.album.new_file(".jpg")
        file.write_bytes(content)
        photo, _ = session.album.add(f"{number}.jpg", "album", file, len(content), f"{number}")
        face = {"box": [0, 0, 9, 9], "score": 1.0, "clear": True, "choice": "1", "drawn": False}
        session.album.set_seen(photo, {"width": 9, "height": 9, "moving": False, "faces": [face], "usual": [0]})
        photos.append(photo)
    return photos


def wait(session, until=lambda session: not session.busy, seconds=120):
    end = time.monotonic() + seconds
    while not until(session):
        assert time.monotonic() < end, session.job
        time.sleep(0.02)


def statuses(photos):
    return [photo.result and photo.result["status"] for photo in photos]


def test_all_photos_are_cloaked_in_order_and_then_nothing_is_left(session, client):
    photos = fill(session, b"a", b"b", b"c")
    assert client.post("/api/job", json={}).status_code == 202
    wait(session)
    assert (session.job.state, session.job.done, session.job.open) == ("done", 3, [])
    assert statuses(photos) == ["cloaked"] * 3
    assert [photo.output.read_bytes() for photo in photos] == [b"a", b"b", b"c"]
    answer = client.post("/api/job", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_to_do")


def test_another_choice_is_due_again_and_replaces_the_result(session):
    photos = fill(session, b"a", b"b")
    session.start_cloak(Settings())
    wait(session)
    first = photos[0].output
    session.start_cloak(Settings(metadata="none"))
    assert len(session.job.photos) == 2
    wait(session)
    assert not first.exists()
    assert photos[0].output.exists()
    session.album.choose(photos[1], [])
    session.album.choose(photos[0], [])
    session.album.choose(photos[0], [0])
    assert photos[1].face_choice == ""


def test_a_photo_that_ends_the_process_is_that_photos_message(session):
    photos = fill(session, b"a", DEADLY, b"c", DEADLY + b"2", b"e")
    session.start_cloak(Settings())
    wait(session)
    assert session.job.state == "done"
    assert statuses(photos) == ["cloaked", "failed", "cloaked", "failed", "cloaked"]
    assert photos[1].result["reason"] == "crash"
    assert photos[1].output is None


def test_cancelling_keeps_what_is_finished_and_the_next_job_does_the_rest(session, client):
    photos = fill(session, b"a", SLOW, b"c")
    client.post("/api/job", json={})
    wait(session, lambda session: photos[0].result is not None)
    assert session.busy
    assert client.post("/api/job", json={}).json()["error"] == "busy"
    assert client.delete(f"/api/photos/{photos[1].id}").json()["error"] == "busy"
    assert client.put(f"/api/photos/{photos[1].id}/chosen", json=[]).json()["error"] == "busy"
    client.delete("/api/job")
    wait(session)
    assert session.job.state == "cancelled"
    assert statuses(photos) == ["cloaked", None, None]
    photos[1].file.write_bytes(b"b")
    session.start_cloak(Settings())
    assert session.job.photos == [photos[1].id, photos[2].id]
    wait(session)
    assert statuses(photos) == ["cloaked"] * 3


def test_closing_the_app_ends_the_job(session):
    fill(session, SLOW)
    session.start_cloak(Settings())
    wait(session, lambda session: session.job.process is not None)
    session.close()
    wait(session)
    assert not session.job.process.is_alive()


def test_the_state_tells_of_changes_alone(session, client):
    photos = fill(session, b"a", b"b")
    state = client.get("/api/state").json()
    assert [photo["id"] for photo in state["photos"]] == [photo.id for photo in photos]
    session.album.choose(photos[1], [])
    news = client.get(f"/api/state?since={state['version']}").json()
    assert [photo["id"] for photo in news["photos"]] == [photos[1].id]
    client.delete(f"/api/photos/{photos[0].id}")
    assert client.get(f"/api/state?since={news['version']}").json()["removed"] == [photos[0].id]
    # a page that was open before the app was started anew knows of later versions than there are
    assert len(client.get("/api/state?since=99999").json()["photos"]) == 1


def test_the_sample_report_has_the_fields_of_a_real_one():
    from dataclasses import fields

    from faceshield.cloaking.report import PhotoReport

    made = {"source", "output", "sha256_input", "sha256_output"}
    assert {field.name for field in fields(PhotoReport)} - made == set(REPORT)
