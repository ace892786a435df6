"""Clean and cloaked photos of one person, each searched for among the others and among distractors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceshield.auditing.sides import KINDS, Kind, Side, list_photos, read_side, refuse_originals
from faceshield.core.errors import UsageError
from faceshield.core.types import AlignedFace, Progress
from faceshield.data.examples import shuffle_by_id
from faceshield.evaluation.distractors import Distractors
from faceshield.evaluation.enrol import Recogniser, crop
from faceshield.evaluation.search import EXACT, FAR, Search, find_limit, name_limits, search
from faceshield.faces.detector import Detector
from faceshield.imaging.photo import load

SHOWN_PAIRS = 3


@dataclass(frozen=True)
class Pair:
    """A clean and a cloaked photo whose features lie close.

    Attributes:
        clean, cloaked: names of the files.
        distance: between their features.
        faces: the aligned crops of both, (3, 150, 150) float32 in [0, 1].
    """

    clean: str
    cloaked: str
    distance: float
    faces: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Audit:
    """What searches among clean and cloaked photos of one person have found.

    Attributes:
        sides: the clean and the cloaked photos.
        found: the searches, by kind of the query and kind of the person's photos in the gallery.
        per_search: how many photos of the person a gallery holds. It is the same for each kind, since among more of
            them the person is found sooner.
        crowd: the number of distractor photos in a gallery.
        people: the number of distractors, people other than the person.
        left_out: the number of distractors that were left out because they are the person.
        limit: the distance at a false match rate of FAR, measured between the clean photos and the distractors.
        different: (m,) the distances that ``limit`` is measured on.
        nearest: the closest pairs of a clean and a cloaked photo, closest first.
    """

    sides: dict[Kind, Side]
    found: dict[tuple[Kind, Kind], Search]
    per_search: int
    crowd: int
    people: int
    left_out: int
    limit: float
    different: Tensor
    nearest: tuple[Pair, ...]

    def metrics(self) -> dict[tuple[Kind, Kind], dict[str, Any]]:
        """For each query and gallery: rank1, rank10, match_rate at the usual limit and at FAR, with intervals."""
        return {key: found.metrics(name_limits(self.limit)) for key, found in self.found.items()}


def audit(
    cloaked: Path,
    clean: Path,
    distractors: Distractors,
    detector: Detector,
    recogniser: Recogniser,
    progress: Progress | None = None,
) -> Audit:
    """Audit one person's photos in two folders; the clean ones should not be the originals of the cloaked ones.

    Where both sides are of one kind, each photo is searched for among the others. Raises UsageError where a folder
    shows fewer than two faces or is not there, where one photo is there twice, is on both sides or the original of a
    cloaked one, or where the distractors were made by another recogniser.
    """
    if distractors.recogniser != recogniser.name:
        raise UsageError("the distractors' features were made by another recogniser; install the files that match")
    roots: dict[Kind, Path] = {"clean": clean, "cloaked": cloaked}
    photos = {kind: list_photos(roots[kind], kind) for kind in KINDS}
    refuse_originals(photos["clean"], clean, cloaked)
    sides = {kind: read_side(roots[kind], list(photos[kind]), kind, detector, recogniser, progress) for kind in KINDS}
    apart = torch.cdist(sides["clean"].features, sides["cloaked"].features, compute_mode=EXACT)
    if float(apart.min()) < 1e-4:
        first, second = divmod(int(apart.argmin()), apart.shape[1])
        raise UsageError(
            f"{clean / sides['clean'].names[first]} and {cloaked / sides['cloaked'].names[second]} show the same"
            " uncloaked face; give clean photos that are not among the cloaked ones"
        )
    left = distractors.exclude(sides["clean"].features)
    different = torch.cdist(sides["clean"].features, left.crowd).flatten()
    per_search = min(len(sides["clean"].names) - 1, len(sides["cloaked"].names) - 1)
    found = {(a, b): _search_side(sides, a, b, left.crowd, per_search) for a in KINDS for b in KINDS}
    return Audit(
        sides,
        found,
        per_search,
        len(left.crowd),
        len(left.people.unique()),
        len(distractors.people.unique()) - len(left.people.unique()),
        find_limit(different, FAR),
        different,
        tuple(_find_nearest(sides, apart, detector)),
    )


def _search_side(sides: dict[Kind, Side], query: Kind, gallery: Kind, crowd: Tensor, per_search: int) -> Search:
    """Ranks among ``per_search`` photos of the person, never the query itself; distances of all pairs, each once."""
    queries, there = sides[query].features, sides[gallery].features
    order = shuffle_by_id(sides[gallery].names, "audit")
    found = []
    for place, one in enumerate(queries):
        chosen = [other for other in order if query != gallery or other != place][:per_search]
        found.append(search(one[None], there[chosen], crowd).rank)
    apart = torch.pdist(queries) if query == gallery else torch.cdist(queries, there, compute_mode=EXACT).flatten()
    return Search(torch.cat(found), apart)


def _find_nearest(sides: dict[Kind, Side], apart: Tensor, detector: Detector) -> list[Pair]:
    """The closest clean photo of each of the cloaked photos that lie closest to one."""
    shown = []
    for place in apart.amin(0).argsort()[:SHOWN_PAIRS].tolist():
        first = int(apart[:, place].argmin())
        names = sides["clean"].names[first], sides["cloaked"].names[place]
        faces = [_crop_face(sides[kind].root / name, detector) for kind, name in zip(KINDS, names, strict=True)]
        shown.append(Pair(*names, float(apart[first, place]), (faces[0].image, faces[1].image)))
    return shown


def _crop_face(path: Path, detector: Detector) -> AlignedFace:
    face = crop(load(path).rgb8(), detector)
    assert face is not None, "it was enrolled"
    return face
