"""The addresses of the app. Each does one thing; none takes a path."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from faceshield.app.album import Photo
from faceshield.app.guard import STATIC, App, Guard
from faceshield.app.names import build_disposition, clean_name
from faceshield.app.packing import pack
from faceshield.app.receiving import receive_json, receive_photo
from faceshield.app.refusals import Refusal
from faceshield.app.session import Session
from faceshield.app.settings import Settings

LONGEST_WAIT, TICK = 10.0, 0.1  # seconds that a request for news waits, and between two looks
STATIC_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

Handler = Callable[[Request], Awaitable[Response]]


class Pages:
    """The handlers of one session. ``on_quit`` is called when the person ends the app."""

    def __init__(self, session: Session, token: str, on_quit: Callable[[], None]) -> None:
        self.session, self.token, self.on_quit = session, token, on_quit
        self.static = {
            part.name: part.read_bytes()
            for part in (files("faceshield.app") / "static").iterdir()
            if Path(part.name).suffix in (*STATIC_TYPES, ".html")
        }

    def routes(self) -> list[Route]:
        """All addresses."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/", self.page),
            ("GET", STATIC + "{token}/{name}", self.part),
            ("GET", "/api/state", self.state),
            ("POST", "/api/photos", self.add_photo),
            ("DELETE", "/api/photos/{id}", self.remove_photo),
            ("PUT", "/api/photos/{id}/chosen", self.choose),
            ("POST", "/api/photos/{id}/boxes", self.add_box),
            ("GET", "/api/photos/{id}/thumb", self.thumb),
            ("GET", "/api/photos/{id}/view", self.view),
            ("POST", "/api/photos/{id}/compare", self.compare),
            ("GET", "/api/photos/{id}/result", self.result),
            ("POST", "/api/preview", self.preview),
            ("GET", "/api/pictures/{folder}/{name}", self.picture),
            ("POST", "/api/job", self.start_job),
            ("DELETE", "/api/job", self.cancel_job),
            ("GET", "/api/zip", self.zip),
            ("POST", "/api/check", self.start_check),
            ("GET", "/api/check/report", self.report),
            ("POST", "/api/quit", self.quit),
        ]
        return [Route(path, _answer_refusals(handler), methods=[method]) for method, path, handler in table]

    async def page(self, request: Request) -> Response:
        return HTMLResponse(self.static["index.html"].decode().replace("{{token}}", self.token))

    async def part(self, request: Request) -> Response:
        name = request.path_params["name"]
        kind = STATIC_TYPES.get(Path(name).suffix)
        if name not in self.static or kind is None:
            raise Refusal("unknown", 404)
        return Response(self.static[name], media_type=kind)

    async def state(self, request: Request) -> Response:
        """What has changed after ``since``; waits for a change where ``wait`` is given."""
        text = request.query_params.get("since", "0")
        since = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
        waits = round(LONGEST_WAIT / TICK) if "wait" in request.query_params else 0
        album = self.session.album
        while waits and album.version == since and not await request.is_disconnected():
            waits -= 1
            await asyncio.sleep(TICK)
        return JSONResponse(self.session.describe(since if since <= album.version else 0))

    async def add_photo(self, request: Request) -> Response:
        session = self.session
        photo, new = await receive_photo(request, session.album, session.limits)
        if new:
            session.look(photo)
        return JSONResponse({"id": photo.id, "new": new}, 201 if new else 200)

    async def remove_photo(self, request: Request) -> Response:
        self.session.remove(self._photo(request))
        return JSONResponse({})

    async def choose(self, request: Request) -> Response:
        photo = self._idle_photo(request)
        chosen = await receive_json(request, self.session.limits)
        if not isinstance(chosen, list) or not all(type(index) is int for index in chosen):
            raise Refusal("request")
        self.session.album.choose(photo, chosen)
        return JSONResponse({"version": self.session.album.version})

    async def add_box(self, request: Request) -> Response:
        photo = self._idle_photo(request)
        box = await receive_json(request, self.session.limits)
        if not isinstance(box, list) or len(box) != 4 or not all(_is_length(value) for value in box):
            raise Refusal("request")
        if photo.state != "ready" or min(box[2:]) < 8 or len(photo.seen["faces"]) >= 200:
            raise Refusal("box")
        found = await asyncio.wrap_future(self.session.engine.ask("locate", path=photo.file, box=box))
        self._idle_photo(request)
        self.session.add_box(photo, box, found)
        return JSONResponse({"same": found["same"] is not None})

    async def thumb(self, request: Request) -> Response:
        return _send_picture(self.session.thumb_of(self._photo(request)))

    async def view(self, request: Request) -> Response:
        out, ready = self.session.view(self._photo(request))
        await asyncio.wrap_future(ready)
        return _send_picture(out)

    async def compare(self, request: Request) -> Response:
        folder, ready = self.session.compare(self._photo(request))
        parts = (await asyncio.wrap_future(ready))["parts"]
        return JSONResponse({"folder": folder.name, "parts": parts})

    async def preview(self, request: Request) -> Response:
        asked = await receive_json(request, self.session.limits)
        if not isinstance(asked, dict) or type(asked.get("face")) is not int:
            raise Refusal("request")
        photo = self.session.album.get(str(asked.get("photo")))
        if asked["face"] not in range(len(photo.seen["faces"])):
            raise Refusal("unknown", 404)
        settings = Settings.from_json(asked.get("settings"))
        folder, ready = self.session.preview(photo, asked["face"], settings)
        try:
            found = await asyncio.wrap_future(ready)
        except (CancelledError, asyncio.CancelledError):
            raise Refusal("superseded", 409) from None
        except Refusal as error:
            raise _renamed(error, photo) from None
        return JSONResponse({**found, "folder": folder.name, "part": "preview"})

    async def picture(self, request: Request) -> Response:
        return _send_picture(self.session.find_picture(request.path_params["folder"], request.path_params["name"]))

    async def result(self, request: Request) -> Response:
        photo = self._photo(request)
        if photo.output is None:
            raise Refusal("no_result", 404)
        return _download(photo.output, clean_name(photo.result_place))

    async def zip(self, request: Request) -> Response:
        photos = [photo for photo in self.session.album.list("album") if photo.output is not None]
        if not photos:
            raise Refusal("no_result", 404)
        path = self.session.new_folder("zip") / "cloaked.zip"
        await asyncio.to_thread(pack, [(photo.output, photo.result_place) for photo in photos if photo.output], path)
        return _download(path, "cloaked.zip", BackgroundTask(path.unlink))

    async def start_job(self, request: Request) -> Response:
        self.session.start_cloak(Settings.from_json(await receive_json(request, self.session.limits)))
        return JSONResponse({}, 202)

    async def cancel_job(self, request: Request) -> Response:
        if self.session.job is not None:
            self.session.job.cancel()
        return JSONResponse({})

    async def start_check(self, request: Request) -> Response:
        self.session.start_check()
        return JSONResponse({}, 202)

    async def report(self, request: Request) -> Response:
        check = self.session.check
        if check is None or not check.page.is_file():
            raise Refusal("no_result", 404)
        return _download(check.page, "faceshield-check.html")

    async def quit(self, request: Request) -> Response:
        return JSONResponse({}, background=BackgroundTask(self.on_quit))

    def _photo(self, request: Request) -> Photo:
        return self.session.album.get(request.path_params["id"])

    def _idle_photo(self, request: Request) -> Photo:
        """Raises Refusal where the photo is part of the job that runs."""
        photo = self._photo(request)
        self.session.refuse_at_work(photo)
        return photo


def build_app(session: Session, token: str, port: int, on_quit: Callable[[], None]) -> App:
    """The whole app, guarded."""
    return Guard(Starlette(routes=Pages(session, token, on_quit).routes()), token, port)


def _answer_refusals(handler: Handler) -> Handler:
    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return JSONResponse(refusal.to_json(), refusal.status)
        except ClientDisconnect:  # a cancelled upload; nobody reads this
            return Response(status_code=400)

    return answer


def _renamed(refusal: Refusal, photo: Photo) -> Refusal:
    values = {name: photo.unname(value) if isinstance(value, str) else value for name, value in refusal.values.items()}
    return Refusal(refusal.code, refusal.status, **values)


def _is_length(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e5


def _send_picture(path: Path) -> Response:
    try:
        data = path.read_bytes()  # whole, since a newer preview may delete it at any time
    except FileNotFoundError:
        raise Refusal("unknown", 404) from None
    return Response(data, media_type="image/png" if path.suffix == ".png" else "image/jpeg")


def _download(path: Path, name: str, after: BackgroundTask | None = None) -> Response:
    headers = {"content-disposition": build_disposition(name)}
    return FileResponse(path, media_type="application/octet-stream", headers=headers, background=after)
