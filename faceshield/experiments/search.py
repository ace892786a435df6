"""Face search, measured: photos that the command cloaked are looked for among strangers by a frozen recogniser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.evaluation.embed import combined
from faceshield.evaluation.enrol import enrol
from faceshield.evaluation.search import FAR, limit_at, search, together, usual_limits
from faceshield.evaluation.strangers import load_strangers
from faceshield.experiments.command import cloak, visibility
from faceshield.experiments.lfw import pretrained
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import Settings, Source
from faceshield.faces.mtcnn import MtcnnDetector
from faceshield.models.resnet29 import MATCH_DISTANCE

SIDES = ("query", "gallery")


class SearchSettings(Settings):
    """``photos`` a person, half of them searched with, half searched among; ``crowd`` strangers' photos beside them."""

    selfies: Source
    photos: int
    crowd: int


def search_cell(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise none|mask|both; query, gallery clean|cloaked; countermeasure none|jpeg-QUALITY.

    Each side's photos are cloaked by a run of the command that knows nothing of the other side, as with photos that
    were put online earlier. A countermeasure is applied to the cloaked sides only.
    """
    root = context.source(settings["selfies"])
    people = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    sides: dict[str, list[Tensor]] = {}
    visible: dict[str, Any] = {}
    for side in SIDES:
        files = {person: _photos(root / person, settings["photos"], side) for person in people}
        if key[side] == "cloaked":
            files, seen = _cloaked(files, side, str(key["noise"]), context)
            visible = {name: _worst(name, visible.get(name), value) for name, value in seen.items()}
            files = _handled(files, f"{key['noise']}-{side}", str(key["countermeasure"]), context)
        sides[side] = [_features(files[person], context) for person in people]
    clean = {person: _features(_photos(root / person, settings["photos"], "gallery"), context) for person in people}
    strangers = load_strangers()
    for own in clean.values():
        strangers = strangers.without(own.nanmean(0), MATCH_DISTANCE)
    crowd = strangers.crowd[: settings["crowd"]]
    different = torch.cat([torch.cdist(own[~own.isnan().any(1)], crowd).flatten() for own in clean.values()])
    limit = limit_at(different, FAR)
    found = []
    for place, _ in enumerate(people):
        others = [own for number, own in enumerate(sides["gallery"]) if number != place]
        found.append(search(sides["query"][place], sides["gallery"][place], torch.cat([crowd, *others])))
    metrics = together(found).metrics(usual_limits(limit))
    return {**metrics, **visible, "crowd": len(crowd), "limit": round(limit, 4)}


def data_of(key: Key, settings: dict[str, Any], context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return context.content(settings["selfies"])


def _photos(folder: Path, count: int, side: str) -> list[Path]:
    """``side``'s half of ``count`` photos of a person, drawn by their names alone."""
    drawn = sorted(folder.iterdir(), key=lambda path: derive_seed("searched", f"{folder.name}/{path.name}"))[:count]
    if len(drawn) < count:
        raise UsageError(f"{folder}: has {len(drawn)} photos, {count} are needed")
    return sorted(drawn[SIDES.index(side) :: 2])


def _cloaked(
    files: dict[str, list[Path]], side: str, noise: str, context: Context
) -> tuple[dict[str, list[Path]], dict[str, Any]]:
    """The command's outputs, and how visible they are. What it leaves unprotected its user would not upload."""
    outputs: dict[str, list[Path]] = {}
    faces: list[dict[str, Any]] = []
    for person, own in files.items():
        out = context.work / f"cloaked-{noise}-{side}" / person
        context.say(f"  cloaking {len(own)} photos of {person} ({noise}, {side})")
        report = cloak(own, out, noise, person, context)
        photos = [photo for photo in report["photos"] if photo["status"] == "cloaked"]
        faces += [face for photo in photos for face in photo["faces"]]
        outputs[person] = [out / photo["output"] for photo in photos]
    return outputs, visibility(faces)


def _handled(files: dict[str, list[Path]], name: str, countermeasure: str, context: Context) -> dict[str, list[Path]]:
    """The photos as they are found again: as they were written, or saved once more as JPEG of a lower quality."""
    if countermeasure == "none":
        return files
    kind, _, quality = countermeasure.partition("-")
    if kind != "jpeg" or not quality.isdigit():
        raise UsageError(f"countermeasure {countermeasure!r} is unknown; use none or jpeg-QUALITY")
    handled: dict[str, list[Path]] = {}
    for person, own in files.items():
        folder = context.work / f"{countermeasure}-{name}" / person
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        handled[person] = [folder / f"{path.stem}.jpg" for path in own]
        for path, place in zip(own, handled[person], strict=True):
            with Image.open(path) as picture:
                picture.convert("RGB").save(place, "JPEG", quality=int(quality), exif=picture.getexif())
    return handled


def _features(files: list[Path], context: Context) -> Tensor:
    """(n, 128): raw outputs, mean of each chip and its mirror image; NaN where no face was found."""
    recogniser = pretrained(context.runtime.device)
    enrolled = enrol(
        files[0].parent, [path.name for path in files], MtcnnDetector(recogniser.device), recogniser,
        which="largest", cache=context.work / "enrolled",
    )  # fmt: skip
    features = combined(enrolled.raw, unit=False)
    features[~torch.from_numpy(enrolled.found)] = float("nan")
    return features


def _worst(name: str, one: float | None, other: float) -> float:
    if one is None:
        return other
    return max(one, other) if name == "linf_255" else min(one, other)
