"""One run of the app: its work folder, its photos, the process that looks at them, and the job that runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceshield.app import cloak_job
from faceshield.app.album import Album, Photo
from faceshield.app.check_job import Check
from faceshield.app.engine import LATER, NOW, Engine
from faceshield.app.hands import work as work_on
from faceshield.app.jobs import Job, Target, start
from faceshield.app.refusals import Limits, Refusal
from faceshield.app.settings import Settings

KEPT_PREVIEWS = 3  # the one that is being made among them


class Session:
    """What the routes work on. ``work`` is an empty folder that nobody else can read.

    ``engine`` and ``target`` (what a job's process runs) are given by tests.
    """

    def __init__(
        self,
        work: Path,
        limits: Limits | None = None,
        engine: Engine | None = None,
        target: Target = work_on,
    ) -> None:
        self.work, self.limits, self.target = work, limits or Limits(), target
        self.album = Album(work / "photos")
        self.engine = engine or Engine()
        self.identities: list[dict[str, Any]] = []
        self.ready = False
        self.job: Job | None = None
        self.check: Check | None = None
        self._folders = 0
        self._preview: Future[dict[str, Any]] | None = None
        self._previews: list[Path] = []
        self._pictures = self.new_folder("pictures")

    def start(self) -> None:
        """Load the networks in the background."""
        self.engine.start()
        self.engine.ask("warm", NOW).add_done_callback(self._set_ready)
        self.list_identities()

    def close(self) -> None:
        """End all processes; the caller deletes the work folder."""
        if self.job is not None:
            self.job.cancel()
        self.engine.close()

    def new_folder(self, kind: str) -> Path:
        """A new folder in the work folder."""
        self._folders += 1
        folder = self.work / f"{kind}-{self._folders}"
        folder.mkdir(mode=0o700)
        return folder

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self.job is not None and self.job.state == "running"

    def describe(self, version: int) -> dict[str, Any]:
        """Everything that the page shows and that has changed after ``version``."""
        return {
            **self.album.since(version),
            "ready": self.ready,
            "identities": self.identities,
            "job": None if self.job is None else self.job.to_json(),
            "check": None if self.check is None else self.check.to_json(),
            "limits": asdict(self.limits),
        }

    # ---- looking

    def thumb_of(self, photo: Photo) -> Path:
        """Where the small picture of ``photo`` lies."""
        return self._pictures / f"{photo.id}.jpg"

    def look(self, photo: Photo) -> None:
        """Find the faces of ``photo`` when its turn comes."""

        def on_seen(future: Future[dict[str, Any]]) -> None:
            error = future.exception()
            if error is None:
                self.album.set_seen(photo, future.result())
            else:
                self.album.set_failed(photo, _say(error))

        self.engine.ask("look", LATER, path=photo.file, thumb=self.thumb_of(photo)).add_done_callback(on_seen)

    def view(self, photo: Photo) -> tuple[Path, Future[dict[str, Any]]]:
        """A picture of ``photo`` that fills a screen, and when it is there."""
        out = self._pictures / f"{photo.id}-view.jpg"
        return out, self.engine.ask("view", NOW, path=photo.file, out=out)

    def add_box(self, photo: Photo, box: Sequence[float], found: Mapping[str, Any]) -> None:
        """Choose the face that ``eyes.locate`` has ``found`` for a box that was drawn."""
        with self.album.lock:
            faces = photo.seen["faces"]
            index = found["same"]
            if index is None:
                index = len(faces)
                photo.seen = {**photo.seen, "faces": [*faces, found["face"]]}
            self.album.choose(photo, [*photo.chosen, index])

    def preview(self, photo: Photo, index: int, settings: Settings) -> tuple[Path, Future[dict[str, Any]]]:
        """One face of ``photo`` cloaked: a folder for the pictures, and when they are there.

        An earlier preview that has not begun is dropped. Of those that are there, the last two stay: the page may still
        be loading them.
        """
        if self._preview is not None:
            self._preview.cancel()
        folder, home = self.new_folder("preview"), self.work / "stand-in"
        self._previews.append(folder)
        while len(self._previews) > KEPT_PREVIEWS:
            shutil.rmtree(self._previews.pop(0), ignore_errors=True)
        face = photo.seen["faces"][index]["choice"] if photo.seen["faces"] else "largest"
        arguments = {"path": photo.file, "face": face, "settings": asdict(settings), "folder": folder, "home": home}
        self._preview = self.engine.ask("preview", NOW, **arguments)
        return folder, self._preview

    def compare(self, photo: Photo) -> tuple[Path, Future[dict[str, Any]]]:
        """Before and after of a cloaked ``photo``: a folder for the pictures, and when they are there.

        Raises Refusal where it has no result.
        """
        if photo.result is None or photo.output is None:
            raise Refusal("no_result", 404)
        regions = [list(face["region"]) for face in photo.result["faces"] if face["frame"] in (None, 1)]
        folder = self._pictures / f"{photo.id}-compare"
        arguments = {"original": photo.file, "cloaked": photo.output, "folder": folder, "regions": regions}
        return folder, self.engine.ask("compare", NOW, **arguments)

    def find_picture(self, folder: str, name: str) -> Path:
        """A picture of a preview or a comparison. Raises Refusal for anything else.

        Both words are looked up among what is there: neither becomes a part of a path.
        """
        for there in (*self._previews, *self._pictures.glob("*-compare")):
            for picture in there.glob("*.png") if there.name == folder else ():
                if picture.name == name:
                    return picture
        raise Refusal("unknown", 404)

    def list_identities(self) -> None:
        """Read the identities anew."""

        def on_listed(future: Future[dict[str, Any]]) -> None:
            if future.exception() is None:
                self.identities = future.result()["identities"]
                self.album.changed()

        self.engine.ask("identities", NOW).add_done_callback(on_listed)

    def _set_ready(self, _: Future[dict[str, Any]]) -> None:
        self.ready = True
        self.album.changed()

    # ---- jobs

    def start_cloak(self, settings: Settings) -> None:
        """Cloak what is not yet cloaked in this way. Raises Refusal where a job runs or nothing is to be done."""
        self._refuse_busy()
        photos = cloak_job.list_due(self.album, settings)
        if not photos:
            raise Refusal("nothing_to_do", 409)
        known = {one["name"] for one in self.identities}
        self.job = cloak_job.plan(photos, settings, known)
        self._run(cloak_job.CloakJob(self.job, photos, settings, self.album, self.new_folder("out"), self.target).run)

    def start_check(self) -> None:
        """Audit the cloaked photos against the clean ones. Raises Refusal where there are too few of either."""
        self._refuse_busy()
        self.check = Check.prepare(self.album, self.new_folder("check"), self.target)
        self.job = self.check.job
        self._run(self.check.run)

    def refuse_at_work(self, photo: Photo) -> None:
        """Raise Refusal where ``photo`` is part of the job that runs."""
        if self.busy and self.job is not None and photo.id in self.job.photos:
            raise Refusal("busy", 409)

    def remove(self, photo: Photo) -> None:
        """Forget a photo, with all that was made of it. Raises Refusal where it is being worked on."""
        self.refuse_at_work(photo)
        for picture in self._pictures.glob(f"{photo.id}*"):
            shutil.rmtree(picture) if picture.is_dir() else picture.unlink()
        self.album.remove(photo)

    def _refuse_busy(self) -> None:
        if self.busy:
            raise Refusal("busy", 409)

    def _run(self, run: Any) -> None:
        self.album.changed()

        def finish() -> None:
            try:
                run()
            finally:
                if self.job is not None and self.job.state == "running":
                    self.job.state = "bug"
                self.album.changed()
                self.list_identities()

        start(finish)


def _say(error: BaseException) -> str:
    if isinstance(error, Refusal) and "message" in error.values:
        return str(error.values["message"])
    return "crash"
