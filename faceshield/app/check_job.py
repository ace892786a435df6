"""The check: are the cloaked photos still found among clean ones that the person adds for it?"""

from __future__ import annotations

import html
import os
import shutil
from pathlib import Path
from typing import Any

from faceshield.app.album import Album, Photo
from faceshield.app.jobs import Job, Target
from faceshield.app.refusals import Refusal
from faceshield.app.remaining import Remaining

FEWEST = 2  # photos of each kind, as an audit needs
PAGE = "report.html"


class Check:
    """An audit of the album's results.

    Attributes:
        job: where it stands.
        page: the report, once it is there.
    """

    def __init__(self, job: Job, folder: Path, names: dict[str, str], target: Target) -> None:
        self.job, self.folder, self.names, self.target = job, folder, names, target
        self.page = folder / PAGE

    @staticmethod
    def prepare(album: Album, folder: Path, target: Target) -> Check:
        """Bring the photos of both kinds together in ``folder``. Raises Refusal where there are too few."""
        cloaked = [photo for photo in album.list("album") if photo.output is not None]
        clean = [photo for photo in album.list("clean") if photo.state == "ready"]
        for kind, photos in (("cloaked", cloaked), ("clean", clean)):
            if len(photos) < FEWEST:
                raise Refusal(f"few_{kind}", 409, least=FEWEST)
        originals = {photo.digest for photo in cloaked}
        for photo in clean:
            if photo.digest in originals:
                raise Refusal("clean_is_original", 409, name=photo.name)
        names: dict[str, str] = {}
        for kind, photos in (("cloaked", cloaked), ("clean", clean)):
            (folder / kind).mkdir()
            for photo in photos:
                file = photo.output if kind == "cloaked" and photo.output is not None else photo.file
                place = folder / kind / f"{photo.id}{_suffix_of(photo, kind)}"
                _link(file, place)
                names[str(place)] = names[place.name] = photo.name
        stages = {"looking at clean photos": len(clean), "looking at cloaked photos": len(cloaked)}
        job = Job("check", [photo.id for photo in (*cloaked, *clean)], Remaining(stages, {}))
        return Check(job, folder, names, target)

    def run(self) -> None:
        """Run the audit, then put the person's names of the photos into its report."""
        arguments = {"cloaked": self.folder / "cloaked", "clean": self.folder / "clean", "page": self.page}
        ending = self.job.run_process("check", arguments, lambda message: None, self.target)
        if ending == "done" and self.page.is_file():
            text = self.page.read_text(encoding="utf-8", errors="replace")
            self.page.write_text(self._rename(text, html.escape), encoding="utf-8")
        if self.job.result is not None:
            lost = self.job.result["lost"]
            self.job.result["lost"] = {kind: [self._rename(name) for name in names] for kind, names in lost.items()}
        self.job.message = self._rename(self.job.message)
        self.job.state = ending

    def to_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        return {**self.job.to_json(), "page": self.page.is_file()}

    def _rename(self, text: str, quote: Any = str) -> str:
        for file, name in self.names.items():
            text = text.replace(file, quote(name))
        return text.replace(str(self.folder) + os.sep, "")


def _suffix_of(photo: Photo, kind: str) -> str:
    file = photo.output if kind == "cloaked" else photo.file
    return file.suffix if file is not None else ""


def _link(file: Path, place: Path) -> None:
    try:
        place.hardlink_to(file)
    except OSError:  # a file system without
        shutil.copyfile(file, place)
