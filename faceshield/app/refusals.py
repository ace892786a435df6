"""What the app refuses, as a word that the page translates, with the numbers that its sentence needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """A request that is not carried out; the page says why, in ``static/strings.js`` under ``error.CODE``.

    Attributes:
        code: the word.
        status: of the HTTP response.
        values: what the sentence names.
    """

    def __init__(self, code: str, status: int = 400, **values: Any) -> None:
        super().__init__(code)
        self.code, self.status, self.values = code, status, values

    def to_json(self) -> dict[str, Any]:
        """The body of the response."""
        return {"error": self.code, **self.values}


@dataclass(frozen=True)
class Limits:
    """How much the browser may send.

    Attributes:
        file_bytes: of one photo.
        total_bytes: of all photos together.
        photos: their number.
        json_bytes: of any other request.
        spare_bytes: what must stay free on the disk of the work folder.
    """

    file_bytes: int = 256 << 20
    total_bytes: int = 16 << 30
    photos: int = 2000
    json_bytes: int = 64 << 10
    spare_bytes: int = 512 << 20
