"""Clean and cloaked photos of one person, each searched for among the others and among strangers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.types import AlignedFace
from faceshield.evaluation.embed import combined
from faceshield.evaluation.enrol import Recogniser, crop, enrol
from faceshield.evaluation.search import EXACT, FAR, Search, limit_at, search, together, usual_limits
from faceshield.evaluation.strangers import Strangers
from faceshield.faces.detector import Detector
from faceshield.imaging.formats import SUFFIXES
from faceshield.imaging.photo import load
from faceshield.models.resnet29 import MATCH_DISTANCE

Kind = Literal["clean", "cloaked"]
KINDS: tuple[Kind, Kind] = ("clean", "cloaked")
SHOWN = 3
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Side:
    """The photos of one folder that show a face: their names, features (n, 128); ``lost`` are the names of others."""

    root: Path
    names: tuple[str, ...]
    features: Tensor
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A clean and a cloaked photo that lie close: names, distance, and their aligned faces (3, 150, 150)."""

    clean: str
    cloaked: str
    distance: float
    faces: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Audit:
    """sides, and ``found``[query, gallery] by kind · limit: the distance at a false match rate of FAR, measured between
    the clean photos and the crowd, which are at the distances ``different`` (m,) · ``nearest`` pairs, closest first.
    """

    sides: dict[Kind, Side]
    found: dict[tuple[Kind, Kind], Search]
    crowd: int
    people: int
    limit: float
    different: Tensor
    nearest: tuple[Pair, ...]

    def metrics(self) -> dict[tuple[Kind, Kind], dict[str, Any]]:
        """For each query and gallery: rank1, rank10, match_rate at the usual limit and at FAR, with intervals."""
        return {key: found.metrics(usual_limits(self.limit)) for key, found in self.found.items()}


def audit(
    cloaked: Path,
    clean: Path,
    strangers: Strangers,
    detector: Detector,
    recogniser: Recogniser,
    progress: Progress | None = None,
) -> Audit:
    """Audit one person's photos in two folders; the clean ones should not be the originals of the cloaked ones.

    Where both sides are of one kind, each photo is searched for among the others. ``strangers`` who match the clean
    photos are left out: they may be that person. Raises UsageError where a folder shows fewer than two faces or is not
    there, where the folders hold the same photo, or where the strangers were made by another recogniser.
    """
    if strangers.recogniser != recogniser.name:
        raise UsageError("the strangers' features were made by another recogniser; install the files that match")
    roots: dict[Kind, Path] = {"clean": clean, "cloaked": cloaked}
    sides = {kind: _side(roots[kind], kind, detector, recogniser, progress) for kind in KINDS}
    apart = torch.cdist(sides["clean"].features, sides["cloaked"].features, compute_mode=EXACT)
    if float(apart.min()) < 1e-4:
        first, second = divmod(int(apart.argmin()), apart.shape[1])
        raise UsageError(
            f"{clean / sides['clean'].names[first]} and {cloaked / sides['cloaked'].names[second]} show the same"
            " uncloaked face; give clean photos that are not among the cloaked ones"
        )
    left = strangers.without(sides["clean"].features.mean(0), MATCH_DISTANCE)
    different = torch.cdist(sides["clean"].features, left.crowd).flatten()
    found = {(a, b): _searched(sides[a].features, sides[b].features, left.crowd, a == b) for a in KINDS for b in KINDS}
    return Audit(
        sides,
        found,
        len(left.crowd),
        len(left.people.unique()),
        limit_at(different, FAR),
        different,
        tuple(_shown(sides, apart, detector)),
    )


def _side(root: Path, kind: Kind, detector: Detector, recogniser: Recogniser, progress: Progress | None) -> Side:
    if not root.is_dir():
        raise UsageError(f"{root}: is no folder; give the folder of {kind} photos")
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix.lower() in known and p.is_file())
    if not names:
        raise UsageError(f"{root}: holds no photo; give the folder of {kind} photos")

    def told(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(f"looking at {kind} photos", done, total)

    enrolled = enrol(root, names, detector, recogniser, which="largest", progress=told)
    seen = torch.from_numpy(enrolled.found)
    if int(seen.sum()) < 2:
        raise UsageError(f"{root}: a face was found in {int(seen.sum())} photos; an audit needs at least 2 of them")
    return Side(
        root,
        tuple(name for name, found in zip(names, enrolled.found, strict=True) if found),
        combined(enrolled.raw, unit=False)[seen],
        tuple(name for name, found in zip(names, enrolled.found, strict=True) if not found),
    )


def _searched(queries: Tensor, gallery: Tensor, crowd: Tensor, same: bool) -> Search:
    if not same:
        return search(queries, gallery, crowd)
    others = ~torch.eye(len(queries), dtype=torch.bool)
    return together([search(query[None], gallery[others[i]], crowd) for i, query in enumerate(queries)])


def _shown(sides: dict[Kind, Side], apart: Tensor, detector: Detector) -> list[Pair]:
    """The closest clean photo of each of the cloaked photos that lie closest to one."""
    shown = []
    for place in apart.amin(0).argsort()[:SHOWN].tolist():
        first = int(apart[:, place].argmin())
        names = sides["clean"].names[first], sides["cloaked"].names[place]
        faces = [_face(sides[kind].root / name, detector) for kind, name in zip(KINDS, names, strict=True)]
        shown.append(Pair(*names, float(apart[first, place]), (faces[0].image, faces[1].image)))
    return shown


def _face(path: Path, detector: Detector) -> AlignedFace:
    face = crop(load(path).rgb8(), detector)
    assert face is not None, "it was enrolled"
    return face
