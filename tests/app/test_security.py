"""Who is refused, and that nothing that the browser says becomes a path."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

import pytest
from app_samples import BASE, LIMITS, PORT, TOKEN

pytest.importorskip("starlette", reason="starlette (extra app) is not installed")

from faceshield.app.guard import HEADERS

PATHS = [
    ("GET", "/"),
    ("GET", "/api/state"),
    ("POST", "/api/photos?name=a.jpg"),
    ("DELETE", "/api/photos/0"),
    ("PUT", "/api/photos/0/chosen"),
    ("POST", "/api/photos/0/boxes"),
    ("GET", "/api/photos/0/thumb"),
    ("GET", "/api/photos/0/view"),
    ("POST", "/api/photos/0/compare"),
    ("GET", "/api/photos/0/result"),
    ("POST", "/api/preview"),
    ("GET", "/api/pictures/a/b"),
    ("POST", "/api/job"),
    ("DELETE", "/api/job"),
    ("GET", "/api/zip"),
    ("POST", "/api/check"),
    ("GET", "/api/check/report"),
    ("POST", "/api/quit"),
]


def test_every_address_is_among_those_tested(session):
    from faceshield.app.routes import Pages

    told = {
        (method, path.split("?")[0].replace("/0", "/{id}").replace("a/b", "{folder}/{name}")) for method, path in PATHS
    }
    there = {
        (method, route.path)
        for route in Pages(session, TOKEN, lambda: None).routes()
        for method in route.methods - {"HEAD"}
        if not route.path.startswith("/static")
    }
    assert told == there


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_without_the_token_nothing_is_answered(stranger, session, method, path):
    for headers in ({}, {"X-Faceshield-Token": "x"}, {"X-Faceshield-Token": TOKEN[:-1]}, {"Cookie": f"token={TOKEN}"}):
        answer = stranger.request(method, path, headers=headers, content=b"x")
        assert (answer.status_code, answer.json()) == (403, {"error": "token"})
    assert not session.album.list()


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"0.0.0.0:{PORT}", ""]
)
def test_a_foreign_host_is_refused(client, session, method, path, host):
    answer = client.request(method, path, headers={"Host": host}, content=b"x")
    assert (answer.status_code, answer.json()) == (403, {"error": "host"})
    assert not session.album.list()


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{PORT + 1}"},
        {"Origin": f"http://localhost:{PORT}"},  # the page is open under 127.0.0.1
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_page_is_refused_though_it_has_the_token(client, session, method, path, headers):
    answer = client.request(method, path, headers=headers, content=b"x")
    assert (answer.status_code, answer.json()) == (403, {"error": "origin"})
    assert not session.album.list()


def test_the_page_itself_is_served(client):
    for headers in ({}, {"Origin": BASE}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.get("/api/state", headers=headers).status_code == 200
    assert client.get("/api/state", headers={"Host": f"localhost:{PORT}"}).status_code == 200


def test_the_token_may_be_in_the_address_and_two_must_agree(stranger):
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    assert stranger.get(f"/?token={TOKEN}&token=other").status_code == 403
    assert stranger.get("/?token=").status_code == 403


def test_the_pages_parts_have_the_token_in_their_address(stranger):
    page = stranger.get(f"/?token={TOKEN}").text
    assert f"/static/{TOKEN}/main.js" in page
    assert "{{" not in page
    assert stranger.get(f"/static/{TOKEN}/main.js").status_code == 200
    assert stranger.get("/static/x/main.js").status_code == 403
    for name in ("..%2F..%2Fserve.py", "index.html", "../serve.py", "__init__.py", "%2e%2e%2fserve.py"):
        assert stranger.get(f"/static/{TOKEN}/{name}").status_code in (403, 404), name


def test_every_answer_has_the_policy(client, stranger):
    for answer in (client.get("/"), client.get("/api/nothing"), client.get("/", headers={"Host": "evil"})):
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_asks_for_nothing_from_outside(session):
    from faceshield.app.routes import Pages

    for name, content in Pages(session, TOKEN, lambda: None).static.items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, name
        assert "https:" not in text, name
        assert "//" not in "".join(line for line in text.splitlines() if "src=" in line), name


@pytest.mark.parametrize(
    "name",
    ["../../evil.jpg", "..\\..\\evil.jpg", "/etc/evil.jpg", "C:\\evil.jpg", "a/../../evil.jpg", "ev\x00il.jpg", "."],
)
def test_a_name_never_becomes_a_path(client, session, jpeg, name, tmp_path):
    before = set(tmp_path.rglob("*"))
    answer = client.post("/api/photos", params={"name": name}, content=jpeg)
    assert answer.status_code == 201
    (photo,) = session.album.list()
    made = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(session.work) for path in made)
    assert not [path for path in made if "vil" in path.name]
    assert ".." not in photo.place.split("/")
    assert not photo.place.startswith("/")
    assert photo.file.parent == session.album.folder


def test_the_zip_holds_no_way_out(client, session, jpeg):
    for number, name in enumerate(["../../a.jpg", "b/../../a.jpg", "x/a.jpg"]):
        id = client.post("/api/photos", params={"name": name}, content=jpeg + bytes([number])).json()["id"]
        photo = session.album.get(id)
        photo.output = photo.file
    names = zipfile.ZipFile(BytesIO(client.get("/api/zip").content)).namelist()
    assert names == ["a.jpg", "b/a.jpg", "x/a.jpg"]


@pytest.mark.parametrize("folder", ["..", "photos", "preview-1", "%2e%2e", "..%2f.."])
@pytest.mark.parametrize("name", ["passwd", "..%2fphotos", "%2e%2e%2fphotos"])
def test_pictures_are_only_those_that_were_made(client, folder, name):
    assert client.get(f"/api/pictures/{folder}/{name}").status_code == 404


def test_a_photo_too_large_is_refused_and_leaves_nothing(client, session):
    large = b"x" * (LIMITS.file_bytes + 1)
    assert client.post("/api/photos?name=a.jpg", content=large).json() == {
        "error": "too_large",
        "most": LIMITS.file_bytes,
    }

    def without_length():
        for _ in range(20):
            yield large[: len(large) // 10]

    answer = client.post("/api/photos?name=a.jpg", content=without_length())
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert not list(session.album.folder.iterdir())


def test_photos_that_are_too_many_or_too_much_are_refused(client, session):
    for number in range(LIMITS.photos):
        assert client.post("/api/photos?name=a.jpg", content=b"%d" % number).status_code == 201
    answer = client.post("/api/photos?name=a.jpg", content=b"more")
    assert (answer.status_code, answer.json()) == (413, {"error": "too_many", "most": LIMITS.photos})
    for photo in session.album.list():
        session.remove(photo)
    for number in range(3):
        client.post("/api/photos?name=a.jpg", content=b"%d" % number * (LIMITS.file_bytes - 10))
    answer = client.post("/api/photos?name=a.jpg", content=b"x" * 1000)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_much")


def test_a_full_disk_is_refused(client, session, monkeypatch):
    from dataclasses import replace

    session.limits = replace(LIMITS, spare_bytes=1 << 60)
    answer = client.post("/api/photos?name=a.jpg", content=b"x")
    assert (answer.status_code, answer.json()) == (507, {"error": "disk"})


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b'"me"',
        b'{"identity": 5}',
        b'{"levels": 255}',
        b'{"levels": 8.0}',
        b'{"ready": 1}',
        b'{"against": "x"}',
        b'{"out": "/var/x"}',
        b"[" * 900,
    ],
)
def test_settings_that_the_page_does_not_offer_are_refused(client, session, value):
    answer = client.post("/api/job", content=value)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("settings", "request")
    assert session.job is None


def test_a_long_request_is_refused(client):
    answer = client.post("/api/job", content=json.dumps({"identity": "x" * 3000}))
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_the_photos_bytes_are_only_ever_sent_as_a_download(client, session, jpeg):
    id = client.post("/api/photos", params={"name": 'a"\r\nb ü.jpg'}, content=jpeg).json()["id"]
    photo = session.album.get(id)
    photo.output = photo.file
    answer = client.get(f"/api/photos/{id}/result")
    assert answer.headers["content-type"] == "application/octet-stream"
    said = answer.headers["content-disposition"]
    assert said == "attachment; filename=\"a_b _.jpg\"; filename*=UTF-8''a_b%20%C3%BC.jpg"
