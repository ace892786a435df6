"""Face search, measured: photos that the command cloaked are looked for among strangers by each frozen recogniser.

Leave-one-out: with noise "mask" the masks are made against all recognisers but the one that searches.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from pydantic import field_validator
from torch import Tensor

from faceshield.auditing.judges import Judge, load_judge
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.evaluation.distractors import name_mask_weights
from faceshield.evaluation.embed import combine
from faceshield.evaluation.enrol import enrol
from faceshield.evaluation.search import Search, concatenate_searches, search
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source, describe_sources
from faceshield.experiments.faces.command import Cloak, cloak, visibility
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.detector import Detector
from faceshield.faces.kept import KeptDetector
from faceshield.faces.yunet import YunetDetector
from faceshield.models.pretrained import PRETRAINED, RESNET29
from faceshield.noise.surrogate import NOISE_WEIGHTS

Side = Literal["query", "gallery"]
SIDES: tuple[Side, ...] = ("query", "gallery")
Recogniser = Literal["resnet29", "sface", "fr_feature", "faceres", "mobileface"]


class TransferKey(CellKey):
    """``noise``: mask (made against all recognisers but ``recogniser``, who searches), shipped (as the command makes
    masks); both, mask-16 (ε 16/255) … are made against the same as mask. ``countermeasure``, of the cloaked sides only:
    none, jpeg-QUALITY, half (the size), or yunet (the search finds and aligns all faces by another detector).
    """

    noise: Literal["none", "mask", "shipped", "both", "mask-4", "mask-12", "mask-16"]
    recogniser: Recogniser
    query: Literal["clean", "cloaked"]
    gallery: Literal["clean", "cloaked"]
    countermeasure: str

    @field_validator("countermeasure")
    @classmethod
    def _check_countermeasure(cls, countermeasure: str) -> str:
        if not re.fullmatch("none|half|yunet|jpeg-[1-9][0-9]?", countermeasure):
            raise ValueError(
                f"{countermeasure!r} is unknown; use none, half, yunet or jpeg-QUALITY; did you mean 'jpeg-85'?"
            )
        return countermeasure


class TransferSettings(Settings):
    """``photos`` a person, half of them searched with, half searched among; ``crowd`` strangers' photos beside them."""

    selfies: Source
    photos: int
    crowd: int


def transfer_cell(key: TransferKey, seed: int, settings: TransferSettings, context: Context) -> dict[str, Any]:
    """One cell.

    Each seed has photos of its own. Each side's photos are cloaked by a run of the command that knows nothing of the
    other side, as with photos that were put online earlier. All recognisers search the same crowd, less the strangers
    who are somebody searched for. A match is decided by the recogniser's limit on LFW's pairs.
    """
    judge = load_judge(key.recogniser, context.runtime.device)
    root = context.source(settings.selfies)
    people = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    photos = {
        side: {person: choose_photos(root / person, settings.photos, side, seed) for person in people} for side in SIDES
    }
    sides: dict[Side, list[Tensor]] = {}
    visible: dict[str, Any] = {}
    for side in SIDES:
        files = photos[side]
        if getattr(key, side) == "cloaked":
            if key.noise == "none":
                raise UsageError(f"noise none cloaks nothing; {side} must be clean")
            files, seen = _cloak_all(files, side, seed, key, context)
            visible = {metric: _keep_worst(metric, visible.get(metric), value) for metric, value in seen.items()}
            files = _apply_countermeasure(files, key.countermeasure, context)
        sides[side] = [_enrol_features(files[person], judge, key.countermeasure, context) for person in people]
    resnet29 = load_judge(RESNET29, context.runtime.device)
    clean = [_enrol_features(photos["gallery"][person], resnet29, "none", context) for person in people]
    same = torch.cat([resnet29.distractors.find_same(features[~features.isnan().any(1)]) for features in clean])
    crowd = judge.distractors.exclude(same).crowd[: settings.crowd]
    metrics = search_all(sides, crowd).metrics({"match_rate": judge.limit})
    return {**metrics, **visible, "crowd": len(crowd), "limit": round(judge.limit, 4)}


def search_all(sides: Mapping[Side, Sequence[Tensor]], crowd: Tensor) -> Search:
    """Search for each person's queries among everybody's gallery photos and the crowd."""
    found = []
    for person, (query, gallery) in enumerate(zip(sides["query"], sides["gallery"], strict=True)):
        others = [other for number, other in enumerate(sides["gallery"]) if number != person]
        found.append(search(query, gallery, torch.cat([crowd, *others])))
    return concatenate_searches(found)


def choose_photos(folder: Path, count: int, side: str, seed: int) -> list[Path]:
    """``side``'s half of the ``seed``-th ``count`` photos of a person, drawn by their names alone."""
    drawn = sorted(folder.iterdir(), key=lambda path: derive_seed("searched", f"{folder.name}/{path.name}"))
    if len(drawn) < (seed + 1) * count:
        raise UsageError(f"{folder}: has {len(drawn)} photos, seed {seed} needs {(seed + 1) * count}")
    return sorted(drawn[seed * count : (seed + 1) * count][SIDES.index(side) :: 2])


def _cloak_all(
    files: dict[str, list[Path]], side: Side, seed: int, key: TransferKey, context: Context
) -> tuple[dict[str, list[Path]], dict[str, Any]]:
    """The command's outputs, and how visible they are. What it leaves unprotected its user would not upload."""
    noise, against = _choose_command(key)
    name = "-".join([noise, *(["without", key.recogniser] if against else []), side, str(seed)])
    context.say(f"  cloaking: {name}")
    outputs: dict[str, list[Path]] = {}
    faces: list[dict[str, Any]] = []
    for person, photos in files.items():
        out = context.work / f"cloaked-{name}" / person
        context.say(f"  {len(photos)} photos of {person}")
        report = cloak(photos, out, noise, person, context, against)
        cloaked = [photo for photo in report["photos"] if photo["status"] == "cloaked"]
        faces += [face for photo in cloaked for face in photo["faces"]]
        outputs[person] = [out / photo["output"] for photo in cloaked]
    return outputs, visibility(faces)


def _choose_command(key: TransferKey) -> tuple[Cloak, list[str]]:
    """The command's kind of cloak, and the recognisers to name to it: all others, or its own choice ([])."""
    if key.noise == "none":
        raise UsageError("noise none cloaks nothing; query and gallery must be clean")
    if key.noise == "shipped":
        return "mask", []
    return key.noise, [name for name in PRETRAINED if name != key.recogniser]


def _apply_countermeasure(files: dict[str, list[Path]], countermeasure: str, context: Context) -> dict[str, list[Path]]:
    """The photos as they are found again: as they were written, saved as JPEG of a lower quality, or at half size."""
    if countermeasure in ("none", "yunet"):
        return files
    changed: dict[str, list[Path]] = {}
    for person, photos in files.items():
        folder = photos[0].parents[1].with_name(f"{countermeasure}-{photos[0].parents[1].name}") / person
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        changed[person] = [folder / f"{path.stem}.jpg" for path in photos]
        for path, target in zip(photos, changed[person], strict=True):
            with Image.open(path) as picture:
                rgb, exif = picture.convert("RGB"), picture.getexif()
            if countermeasure == "half":
                rgb = rgb.resize((rgb.width // 2, rgb.height // 2), Image.Resampling.LANCZOS)
            quality = 95 if countermeasure == "half" else int(countermeasure.removeprefix("jpeg-"))
            rgb.save(target, "JPEG", quality=quality, exif=exif)
    return changed


def _enrol_features(files: list[Path], judge: Judge, countermeasure: str, context: Context) -> Tensor:
    """(n, D) features; NaN where no face was found."""
    device = judge.recogniser.device
    detector: Detector = YunetDetector(device) if countermeasure == "yunet" else AnyRollDetector(device)
    faces = context.cache_path(f"faces-{type(detector).__name__}")
    enrolled = enrol(
        files[0].parent, [path.name for path in files], KeptDetector(detector, faces), judge.recogniser,
        which="largest", cache=context.work / "enrolled" / type(detector).__name__,
    )  # fmt: skip
    features = combine(enrolled.raw, unit=False)
    features[~torch.from_numpy(enrolled.found)] = float("nan")
    return features


def _keep_worst(name: str, one: float | None, other: float) -> float:
    if one is None:
        return other
    return max(one, other) if name.startswith(("linf", "delta_e", "tint", "contrast", "flip")) else min(one, other)


EXPERIMENT = Experiment(
    transfer_cell, TransferSettings, TransferKey, describe_sources, weights=(*NOISE_WEIGHTS, *name_mask_weights())
)
