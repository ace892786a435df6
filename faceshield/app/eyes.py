"""What the page wants to see at once, done in a process of its own: faces, a preview, before and after.

These functions run in the process that :class:`faceshield.app.engine.Engine` starts. They take and give JSON values and
paths that the app itself has made.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from faceshield.app.pictures import Triple, save_picture, write_triple
from faceshield.app.settings import Settings
from faceshield.cloaking.moving import open_moving
from faceshield.cloaking.options import Options
from faceshield.cloaking.run import cloak
from faceshield.core.errors import FaceshieldError, UnprotectedError
from faceshield.core.types import Face
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.detector import CONFIDENT, overlap, select_clear
from faceshield.faces.pick import SAME_FACE, Place, choose
from faceshield.imaging.blend import Region
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode
from faceshield.noise import vault

THUMB, VIEW = 480, 1400  # longer sides in pixels


@cache
def _detector() -> AnyRollDetector:
    return AnyRollDetector()


def warm() -> dict[str, Any]:
    """Load the networks that :func:`look` needs, so that the first photo need not wait for them."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    box = np.array([20, 20, 140, 140], np.float32)
    _detector().detect(noise)
    _detector().look(noise, box)
    return {}


def look(path: Path, thumb: Path) -> dict[str, Any]:
    """The faces of a photo, largest first, and a small picture of it at ``thumb``.

    Raises FaceshieldError where the file is not a usable picture.
    """
    data = read(path)
    moving = open_moving(data, path, Options()) is not None
    photo = decode(data, path, first=True)
    rgb = photo.rgb8()
    save_picture(rgb, thumb, THUMB, photo.icc)
    faces = _detector().detect(rgb)
    usual = [faces.index(choose(faces, "largest")[0])] if select_clear(faces) else []
    return {
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "moving": moving,
        "faces": [_describe(face, str(number)) for number, face in enumerate(faces, 1)],
        "usual": usual,
    }


def view(path: Path, out: Path) -> dict[str, Any]:
    """A picture of the photo that fills a screen, at ``out``."""
    photo = decode(read(path), path, first=True)
    save_picture(photo.rgb8(), out, VIEW, photo.icc)
    return {}


def locate(path: Path, box: list[float]) -> dict[str, Any]:
    """The face that a run would take for a ``box`` (x, y, width, height) drawn by hand; see ``faces.pick.choose``.

    "same" is the index of the detected face that it means, if any.
    """
    rgb = decode(read(path), path, first=True).rgb8()
    faces, place = _detector().detect(rgb), Place(*box)
    (face,) = choose(faces, place, rgb, _detector())
    same = [index for index, other in enumerate(faces) if overlap(other.box, face.box) >= SAME_FACE]
    choice = ",".join(f"{value:.1f}" for value in place)
    return {"same": same[0] if same else None, "face": {**_describe(face, choice), "drawn": True}}


def preview(path: Path, face: str, settings: Mapping[str, Any], folder: Path, home: Path) -> dict[str, Any]:
    """One photo cloaked for real, and its first chosen face before and after as pictures in ``folder``.

    Where the identity is not made yet, a ready-made noise of the same ε stands in for it; that identity lies below
    ``home``. Raises FaceshieldError where the photo would not be cloaked.
    """
    begun, asked = time.perf_counter(), Settings.from_json(settings)
    stands_in = asked.needs_identity and not vault.exists(asked.identity)
    if stands_in:
        asked = replace(asked, identity=f"stand-in-{asked.levels}", ready=True)
    out = folder / "out"
    try:
        with _vault_at(home if stands_in else None):
            report = cloak(path, out, asked.build_options({str(path): face}, jobs=1))
        (photo,) = report.photos
        if photo.status != "cloaked" or photo.output is None:
            raise UnprotectedError(photo.reason)
        region = Region(*photo.faces[0].region) if photo.faces else None
        write_triple(path, out / photo.output, folder, "preview", region)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    measured = photo.faces[0] if photo.faces else None
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "stands_in": stands_in,
        "linf_255": photo.written_linf_255,
        "ssim": None if measured is None else measured.ssim_face,
    }


def compare(original: Path, cloaked: Path, folder: Path, regions: list[list[int]]) -> dict[str, Any]:
    """Before, after and the difference ×16 of the whole photo and of each region (y0, x0, y1, x1)."""
    triple = Triple.load(original, cloaked)
    triple.write(folder, "whole", None)
    for number, region in enumerate(regions):
        triple.write(folder, f"face{number}", Region(*region))
    return {"parts": ["whole", *(f"face{number}" for number in range(len(regions)))]}


def identities() -> dict[str, Any]:
    """The identities kept on this machine, without their secrets."""
    found: list[dict[str, Any]] = []
    for name in vault.list_names():
        try:
            one = vault.load(name)
        except FaceshieldError as error:
            found.append({"name": name, "damaged": str(error)})
        else:
            levels = round(one.epsilon * 255, 1)
            found.append({"name": name, "kind": one.kind, "levels": levels, "photos": one.photos, "made": one.created})
    return {"identities": found}


TASKS = {task.__name__: task for task in (warm, look, view, locate, preview, compare, identities)}


def _describe(face: Face, choice: str) -> dict[str, Any]:
    return {
        "box": [round(float(edge), 1) for edge in face.box],
        "score": round(face.score, 3),
        "clear": face.score >= CONFIDENT,
        "choice": choice,
        "drawn": False,
    }


@contextmanager
def _vault_at(home: Path | None) -> Iterator[None]:
    """Let the vault lie at ``home`` in this block, so that a preview leaves no identity behind."""
    before = os.environ.get("FACESHIELD_HOME")
    if home is not None:
        os.environ["FACESHIELD_HOME"] = str(home)
    try:
        yield
    finally:
        if home is not None:
            os.environ.pop("FACESHIELD_HOME")
            if before is not None:
                os.environ["FACESHIELD_HOME"] = before
