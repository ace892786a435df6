"""What the browser sends, read within limits: a photo's bytes into a file, a small JSON value into memory."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.requests import Request

from faceshield.app.album import ROLES, Album, Photo, Role
from faceshield.app.names import clean_name
from faceshield.app.refusals import Limits, Refusal
from faceshield.imaging.formats import PICTURES


async def receive_photo(request: Request, album: Album, limits: Limits) -> tuple[Photo, bool]:
    """Take in the photo that is the request's body; its name and role are in the query. True where it is new.

    Raises Refusal where it is too large or one too many, without reading more than the limit.
    """
    role = _read_role(request.query_params.get("role", "album"))
    place = request.query_params.get("name", "")
    if len(place) > 4096:
        raise Refusal("name", 400)
    _refuse_full(album, limits, _declared(request))
    file = album.new_file(_choose_suffix(place, role))
    try:
        size, digest = await _write_body(
            request, file, min(limits.file_bytes, limits.total_bytes - album.total_bytes())
        )
        if not size:
            raise Refusal("empty", 400)
        if len(album.list()) >= limits.photos:  # others came meanwhile
            raise Refusal("too_many", 413, most=limits.photos)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return album.add(place, role, file, size, digest)


async def receive_json(request: Request, limits: Limits) -> Any:
    """The JSON value that is the request's body. Raises Refusal where it is too large or none."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limits.json_bytes:
            raise Refusal("too_large", 413, most=limits.json_bytes)
    try:
        return json.loads(bytes(data) or b"null")
    except (ValueError, RecursionError):
        raise Refusal("request", 400) from None


def _read_role(text: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise Refusal("request", 400)


def _choose_suffix(place: str, role: Role) -> str:
    suffix = PurePosixPath(clean_name(place)).suffix
    if suffix.lower() in PICTURES:
        return suffix
    return "" if role == "album" else ".jpg"  # an audit passes over files of another name


def _declared(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _refuse_full(album: Album, limits: Limits, size: int) -> None:
    if len(album.list()) >= limits.photos:
        raise Refusal("too_many", 413, most=limits.photos)
    if size > limits.file_bytes:
        raise Refusal("too_large", 413, most=limits.file_bytes)
    if album.total_bytes() + size > limits.total_bytes:
        raise Refusal("too_much", 413, most=limits.total_bytes)
    if shutil.disk_usage(album.folder).free - size < limits.spare_bytes:
        raise Refusal("disk", 507)


async def _write_body(request: Request, file: Path, most: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with file.open("xb") as out:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise Refusal("too_large", 413, most=most)
            digest.update(chunk)
            out.write(chunk)
    return size, digest.hexdigest()
