"""The photos that the page has brought, what was seen in them and what became of them; used from several threads."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from faceshield.app.names import clean_name, clean_place, with_suffix
from faceshield.app.refusals import Refusal

Role = Literal["album", "clean"]
ROLES: tuple[Role, ...] = ("album", "clean")


@dataclass
class Photo:
    """One photo.

    Attributes:
        id: made here; part of addresses and of the file's name.
        place: the relative path that the browser gave, cleaned.
        role: "album" for what is to be cloaked, "clean" for what a check compares it with.
        file: where its bytes lie.
        digest: SHA-256 of them.
        state: "waiting" until it has been looked at, then "ready" or "failed".
        message: why it failed, or what there is to say of its result.
        seen: what ``eyes.look`` gave, and faces drawn by hand.
        chosen: indices of ``seen["faces"]``.
        result: the PhotoReport as JSON values, with "made": the settings and the choice of faces it was made with.
        output: the cloaked file.
        version: of the album when it last changed.
    """

    id: str
    place: str
    role: Role
    file: Path
    size: int
    digest: str
    state: Literal["waiting", "ready", "failed"] = "waiting"
    message: str = ""
    seen: dict[str, Any] = field(default_factory=lambda: {"faces": []})
    chosen: list[int] = field(default_factory=list)
    result: dict[str, Any] | None = None
    output: Path | None = None
    version: int = 0

    @property
    def name(self) -> str:
        """The file's name as the browser gave it, cleaned."""
        return clean_name(self.place)

    @property
    def result_place(self) -> str:
        """The relative path of the cloaked photo: the original's, with the suffix of its format."""
        return self.place if self.output is None else with_suffix(self.place, self.output.suffix)

    @property
    def face_choice(self) -> str:
        """The chosen faces as ``Options.face`` has them; "" where none is chosen. A moving picture may show the face
        after its first frame, which alone has been looked at.
        """
        if self.chosen == self.seen.get("usual") and (self.chosen or (self.seen["moving"] and not self.seen["faces"])):
            return "largest"
        return "+".join(self.seen["faces"][index]["choice"] for index in self.chosen)

    def unname(self, message: str) -> str:
        """``message`` of the library with the name that the person knows instead of the file's place here."""
        return message.replace(str(self.file), self.name).replace(self.file.name, self.name)

    def to_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        result = None if self.result is None else {**self.result, "name": clean_name(self.result_place)}
        if result is not None:
            result = {key: result[key] for key in result if key not in ("source", "output")}
        shown = {name: getattr(self, name) for name in ("id", "place", "name", "role", "size", "state", "message")}
        return {**shown, **self.seen, "chosen": self.chosen, "choice": self.face_choice, "result": result}


class Album:
    """All photos, in the order in which they came. Each change raises ``version``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(mode=0o700)
        self.lock = RLock()
        self.version = 0
        self._photos: dict[str, Photo] = {}
        self._removed: dict[str, int] = {}

    def changed(self, photo: Photo | None = None) -> None:
        """Note that ``photo``, or anything else that the page shows, has changed."""
        with self.lock:
            self.version += 1
            if photo is not None:
                photo.version = self.version

    def get(self, id: str) -> Photo:
        """Raises Refusal for an unknown ``id``."""
        with self.lock:
            if id not in self._photos:
                raise Refusal("unknown", 404)
            return self._photos[id]

    def list(self, role: Role | None = None) -> Sequence[Photo]:
        """The photos of ``role``, or all."""
        with self.lock:
            return [photo for photo in self._photos.values() if role in (None, photo.role)]

    def total_bytes(self) -> int:
        """The size of all originals together."""
        return sum(photo.size for photo in self.list())

    def new_file(self, suffix: str) -> Path:
        """A free place for a photo's bytes, named by chance and ``suffix`` alone."""
        return self.folder / f"{secrets.token_hex(8)}{suffix}"

    def add(self, place: str, role: Role, file: Path, size: int, digest: str) -> tuple[Photo, bool]:
        """Take ``file`` in, or, where the same bytes are there for the same ``role``, delete it and give that photo.

        The second value says whether it is new.
        """
        with self.lock:
            for photo in self.list(role):
                if photo.digest == digest:
                    file.unlink()
                    return photo, False
            photo = Photo(file.stem, clean_place(place), role, file, size, digest)
            self._photos[photo.id] = photo
            self.changed(photo)
            return photo, True

    def remove(self, photo: Photo) -> None:
        """Forget ``photo`` and delete its files."""
        with self.lock:
            del self._photos[photo.id]
            for file in (photo.file, photo.output):
                if file is not None:
                    file.unlink(missing_ok=True)
            self.changed()
            self._removed[photo.id] = self.version

    def choose(self, photo: Photo, chosen: Sequence[int]) -> None:
        """Choose faces by index. Raises Refusal for one that is not there."""
        with self.lock:
            if not all(index in range(len(photo.seen["faces"])) for index in chosen):
                raise Refusal("unknown", 404)
            photo.chosen = sorted(set(chosen))
            self.changed(photo)

    def set_seen(self, photo: Photo, seen: Mapping[str, Any]) -> None:
        """Note what ``eyes.look`` saw, and choose what the command line would."""
        with self.lock:
            photo.seen, photo.state = dict(seen), "ready"
            photo.chosen = list(seen["usual"])
            self.changed(photo)

    def set_failed(self, photo: Photo, message: str) -> None:
        """Note why ``photo`` cannot be used."""
        with self.lock:
            photo.state, photo.message = "failed", photo.unname(message)
            self.changed(photo)

    def set_result(self, photo: Photo, report: Mapping[str, Any], out: Path, made: Mapping[str, Any]) -> None:
        """Note the PhotoReport of a run into ``out`` that was ``made`` so; an earlier result is deleted."""
        with self.lock:
            if photo.output is not None:
                photo.output.unlink(missing_ok=True)
            photo.output = None if report["output"] is None else out / report["output"]
            texts = {name: [photo.unname(text) for text in report[name]] for name in ("stripped", "notices", "changes")}
            photo.result = {**report, **texts, "reason": photo.unname(report["reason"]), "made": dict(made)}
            self.changed(photo)

    def since(self, version: int) -> dict[str, Any]:
        """What has changed after ``version``, as the page reads it."""
        with self.lock:
            return {
                "version": self.version,
                "photos": [photo.to_json() for photo in self.list() if photo.version > version],
                "removed": [id for id, when in self._removed.items() if when > version],
            }
