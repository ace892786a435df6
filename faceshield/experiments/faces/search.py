"""Face search, measured: photos that the command cloaked are looked for among strangers by a frozen recogniser."""

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

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.evaluation.distractors import load_distractors
from faceshield.evaluation.embed import combine
from faceshield.evaluation.enrol import enrol
from faceshield.evaluation.search import FAR, Search, concatenate_searches, find_limit, name_limits, search
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source
from faceshield.experiments.faces.command import Cloak, cloak, visibility
from faceshield.experiments.faces.extractor import Extractor, ExtractorName, TrainedSettings, load_extractor
from faceshield.faces.any_roll import AnyRollDetector

Side = Literal["query", "gallery"]
SIDES: tuple[Side, ...] = ("query", "gallery")


class SearchKey(CellKey):
    """``countermeasure`` none or jpeg-QUALITY, of the cloaked sides only; ``extractor`` is who searches."""

    noise: Literal["none"] | Cloak
    query: Literal["clean", "cloaked"]
    gallery: Literal["clean", "cloaked"]
    countermeasure: str
    extractor: ExtractorName = "resnet29"

    @field_validator("countermeasure")
    @classmethod
    def _check_countermeasure(cls, countermeasure: str) -> str:
        if not re.fullmatch("none|jpeg-[1-9][0-9]?", countermeasure):
            raise ValueError(f"{countermeasure!r} is unknown; use none or jpeg-QUALITY; did you mean 'jpeg-85'?")
        return countermeasure

    def trained(self) -> bool:
        """Whether the recipe trains the extractor."""
        return self.extractor != "resnet29"


class SearchSettings(Settings):
    """``photos`` a person, half of them searched with, half searched among; ``crowd`` strangers' photos beside them.

    ``trained`` is for cells of that extractor only: no other one reads its data.
    """

    selfies: Source
    photos: int
    crowd: int
    trained: TrainedSettings | None = None

    def sources(self, key: CellKey) -> tuple[str, ...]:
        """See :class:`Settings`."""
        used = self if isinstance(key, SearchKey) and key.trained() else self.model_copy(update={"trained": None})
        return super(SearchSettings, used).sources(key)


def search_cell(key: SearchKey, seed: int, settings: SearchSettings, context: Context) -> dict[str, Any]:
    """One cell.

    Each seed has photos of its own. Each side's photos are cloaked by a run of the command that knows nothing of the
    other side, as with photos that were put online earlier. A countermeasure is applied to the cloaked sides only. Both
    extractors search the same crowd, less the strangers who are somebody searched for. ``rank1_clean``
    is what a trained one finds of the photos as they were, and ``rank1_of_clean`` the share of it that the cloak leaves
    (absent where the former is 0).
    """
    extractor = load_extractor(key.extractor, settings.trained, context)
    root = context.source(settings.selfies)
    people = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    sides: dict[Side, list[Tensor]] = {}
    visible: dict[str, Any] = {}
    for side in SIDES:
        files = {person: _choose_photos(root / person, settings.photos, side, seed) for person in people}
        if getattr(key, side) == "cloaked":
            if key.noise == "none":
                raise UsageError(f"noise none cloaks nothing; {side} must be clean")
            name = f"{key.noise}-{side}-{seed}"
            context.say(f"  cloaking: {name}")
            files, seen = _cloak_all(files, name, key.noise, context)
            visible = {metric: _keep_worst(metric, visible.get(metric), value) for metric, value in seen.items()}
            files = _apply_countermeasure(files, name, key.countermeasure, context)
        sides[side] = [_enrol_features(files[person], extractor, context) for person in people]
    photos = {side: [_choose_photos(root / person, settings.photos, side, seed) for person in people] for side in SIDES}
    clean = {side: [_enrol_features(files, extractor, context) for files in photos[side]] for side in SIDES}
    shipped = load_extractor("resnet29", None, context)
    strangers = everybody = load_distractors()
    for files_of_one in photos["gallery"]:
        features = _enrol_features(files_of_one, shipped, context)
        strangers = strangers.exclude(features[~features.isnan().any(1)])
    crowd = extractor.crowd[torch.isin(everybody.people, strangers.people)][: settings.crowd]
    different = torch.cat([torch.cdist(one[~one.isnan().any(1)], crowd).flatten() for one in clean["gallery"]])
    limit = find_limit(different, FAR)
    limits = name_limits(limit)
    if extractor.recogniser.name != shipped.recogniser.name:
        limits.pop("match_rate")  # dlib's limit says nothing of other features
    metrics = _search_all(sides, crowd).metrics(limits)
    if key.trained():
        metrics["rank1_clean"] = _search_all(clean, crowd).metrics({})["rank1"]
        if metrics["rank1_clean"]:
            metrics["rank1_of_clean"] = metrics["rank1"] / metrics["rank1_clean"]
    return {**metrics, **visible, "crowd": len(crowd), "limit": round(limit, 4)}


def _search_all(sides: Mapping[Side, Sequence[Tensor]], crowd: Tensor) -> Search:
    """Search for each person's queries among everybody's gallery photos and the crowd."""
    found = []
    for person, (query, gallery) in enumerate(zip(sides["query"], sides["gallery"], strict=True)):
        others = [other for number, other in enumerate(sides["gallery"]) if number != person]
        found.append(search(query, gallery, torch.cat([crowd, *others])))
    return concatenate_searches(found)


def describe_data(key: SearchKey, settings: SearchSettings, context: Context) -> str:
    """A text that changes with the data that a cell reads."""
    return " ".join(context.content(name) for name in settings.sources(key))


def _choose_photos(folder: Path, count: int, side: str, seed: int) -> list[Path]:
    """``side``'s half of the ``seed``-th ``count`` photos of a person, drawn by their names alone."""
    drawn = sorted(folder.iterdir(), key=lambda path: derive_seed("searched", f"{folder.name}/{path.name}"))
    if len(drawn) < (seed + 1) * count:
        raise UsageError(f"{folder}: has {len(drawn)} photos, seed {seed} needs {(seed + 1) * count}")
    return sorted(drawn[seed * count : (seed + 1) * count][SIDES.index(side) :: 2])


def _cloak_all(
    files: dict[str, list[Path]], name: str, noise: Cloak, context: Context
) -> tuple[dict[str, list[Path]], dict[str, Any]]:
    """The command's outputs, and how visible they are. What it leaves unprotected its user would not upload."""
    outputs: dict[str, list[Path]] = {}
    faces: list[dict[str, Any]] = []
    for person, photos in files.items():
        out = context.work / f"cloaked-{name}" / person
        context.say(f"  {len(photos)} photos of {person}")
        report = cloak(photos, out, noise, person, context)
        cloaked = [photo for photo in report["photos"] if photo["status"] == "cloaked"]
        faces += [face for photo in cloaked for face in photo["faces"]]
        outputs[person] = [out / photo["output"] for photo in cloaked]
    return outputs, visibility(faces)


def _apply_countermeasure(
    files: dict[str, list[Path]], name: str, countermeasure: str, context: Context
) -> dict[str, list[Path]]:
    """The photos as they are found again: as they were written, or saved once more as JPEG of a lower quality."""
    if countermeasure == "none":
        return files
    quality = int(countermeasure.removeprefix("jpeg-"))
    handled: dict[str, list[Path]] = {}
    for person, photos in files.items():
        folder = context.work / f"{countermeasure}-{name}" / person
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        handled[person] = [folder / f"{path.stem}.jpg" for path in photos]
        for path, target in zip(photos, handled[person], strict=True):
            with Image.open(path) as picture:
                picture.convert("RGB").save(target, "JPEG", quality=quality, exif=picture.getexif())
    return handled


def _enrol_features(files: list[Path], extractor: Extractor, context: Context) -> Tensor:
    """(n, D): mean of each crop's and its mirror image's outputs, ``unit`` or raw; NaN where no face was found."""
    recogniser = extractor.recogniser
    enrolled = enrol(
        files[0].parent, [path.name for path in files], AnyRollDetector(recogniser.device), recogniser,
        which="largest", cache=context.work / "enrolled",
    )  # fmt: skip
    features = combine(enrolled.raw, unit=extractor.unit)
    features[~torch.from_numpy(enrolled.found)] = float("nan")
    return features


def _keep_worst(name: str, one: float | None, other: float) -> float:
    if one is None:
        return other
    return max(one, other) if name == "linf_255" else min(one, other)


EXPERIMENT = Experiment(search_cell, SearchSettings, SearchKey, describe_data)
