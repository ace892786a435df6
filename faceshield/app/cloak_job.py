"""Cloaking what the page has chosen: a process that may be cancelled, and goes on without a photo that kills it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceshield.app.album import Album, Photo
from faceshield.app.jobs import Job, Target
from faceshield.app.remaining import MASK, Remaining
from faceshield.app.settings import Settings

LOOKED_AT, STEPS = 60, 120  # photos that a run looks at before it makes a noise, and steps of making it
CRASH = "crash"  # the page's word for a photo that ended the process


def made_with(photo: Photo, settings: Settings) -> dict[str, Any]:
    """What decides the bytes of a result, apart from the photo's own. ``ready`` is about the making of an identity,
    whose noise never changes afterwards.
    """
    return {**{name: value for name, value in asdict(settings).items() if name != "ready"}, "face": photo.face_choice}


def list_due(album: Album, settings: Settings) -> list[Photo]:
    """The photos with a chosen face that have no result of these ``settings``, in the command line's order."""
    due = [
        photo
        for photo in album.list("album")
        if photo.state == "ready" and photo.face_choice and not is_current(photo, settings)
    ]
    return sorted(due, key=lambda photo: photo.place.split("/"))


def is_current(photo: Photo, settings: Settings) -> bool:
    """Whether ``photo`` has been cloaked with these ``settings`` and its present choice of faces."""
    result = photo.result
    return result is not None and result["status"] == "cloaked" and result["made"] == made_with(photo, settings)


def plan(photos: Sequence[Photo], settings: Settings, known: Collection[str]) -> Job:
    """The job and its stages; ``known`` are the names of identities that are made already."""
    masks = settings.against != "training"
    new = settings.against != "search" and settings.identity not in known
    stages: dict[str, int] = {}
    if new or masks:
        stages["looking"] = 1 if settings.ready and not masks else min(LOOKED_AT, len(photos))
    if new and not settings.ready:
        stages["making noise"] = STEPS
    stages["cloaking"] = len(photos)
    return Job("cloak", [photo.id for photo in photos], Remaining(stages, {"cloaking": MASK} if masks else {}))


class CloakJob:
    """The loop around the processes of one job."""

    def __init__(
        self, job: Job, photos: Sequence[Photo], settings: Settings, album: Album, out: Path, target: Target
    ) -> None:
        self.job, self.settings, self.album, self.out, self.target = job, settings, album, out, target
        self.made = {photo.id: made_with(photo, settings) for photo in photos}
        self.open = {str(photo.file): photo for photo in photos}
        self.job.open = list(self.job.photos)
        self.choices = {str(photo.file): photo.face_choice for photo in photos}

    def run(self) -> None:
        """Until all photos have a result, or the job is cancelled, or it fails as a whole."""
        jobs, resume, ending, sources = 0, False, "done", list(self.open)
        while self.open:
            arguments = {
                "photos": [(Path(source), self.choices[source]) for source in sources],
                "out": self.out,
                "settings": asdict(self.settings),
                "resume": resume,
                "jobs": jobs,
            }
            self.job.stage = ""
            ending = self.job.run_process("cloak", arguments, self._on_message, self.target)
            if ending in ("done", "said", "cancelled") or self.job.stage != "cloaking":
                break
            # one photo ends the process: one at a time from here on, and the first that is open is the one
            if jobs == 1:
                culprit = next(source for source in sources if source in self.open)
                self._set_failed(culprit, self.job.message or CRASH)
                sources.remove(culprit)
            jobs, resume = 1, True
        else:
            ending = "done"
        self.job.message = "" if ending == "done" else self.job.message
        self.job.state = ending

    def _on_message(self, message: tuple[Any, ...]) -> None:
        if message[0] == "photo":
            photo = self.open.pop(message[1]["source"], None)
            if photo is not None:
                self.job.open = [id for id in self.job.open if id != photo.id]
                self.album.set_result(photo, message[1], self.out, self.made[photo.id])
        self.album.changed()

    def _set_failed(self, source: str, reason: str) -> None:
        photo = self.open.pop(source)
        report: dict[str, Any] = {"source": source, "status": "failed", "reason": reason, "output": None, "faces": []}
        report |= {"stripped": [], "notices": [], "changes": []}
        self.album.set_result(photo, report, self.out, self.made[photo.id])
