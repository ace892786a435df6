"""Clean and cloaked photos of one person, each searched for among the others and among distractors, by each judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceshield.auditing.judges import Judge, choose_headline
from faceshield.auditing.sides import KINDS, Kind, Side, list_photos, read_made_against, read_side, refuse_originals
from faceshield.core.errors import UsageError
from faceshield.core.types import AlignedFace, Progress
from faceshield.data.examples import shuffle_by_id
from faceshield.evaluation.enrol import crop
from faceshield.evaluation.search import EXACT, Search, search
from faceshield.evaluation.tracker import count_reached
from faceshield.faces.detector import Detector
from faceshield.faces.kept import KeptDetector
from faceshield.imaging.photo import load
from faceshield.models.pretrained import RESNET29

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
class Findings:
    """What one judge found.

    Attributes:
        judge: who searched.
        white_box: whether the masks were made against it; None where the report of the cloaking run does not say.
        found: the searches, by kind of the query and kind of the person's photos in the gallery.
        different: (m,) the distances between the person's clean photos and the distractors.
        reached: the share of the cloaked photos that a tracker reaches which starts with one clean photo.
        reached_from_none: the same for one that starts with one of the cloaked photos, which counts.
    """

    judge: Judge
    white_box: bool | None
    found: dict[tuple[Kind, Kind], Search]
    different: Tensor
    reached: float
    reached_from_none: float

    def metrics(self) -> dict[tuple[Kind, Kind], dict[str, Any]]:
        """For each query and gallery: rank1, rank10 and match_rate with intervals."""
        return {key: found.metrics({"match_rate": self.judge.limit}) for key, found in self.found.items()}


@dataclass(frozen=True)
class Audit:
    """What searches among clean and cloaked photos of one person have found.

    Attributes:
        sides: the clean and the cloaked photos.
        findings: by the judge's name.
        headline: the judge whose figures stand for the audit: one that took no part, where there is one.
        per_search: how many photos of the person a gallery holds. It is the same for each kind, since among more of
            them the person is found sooner.
        crowd: the number of distractor photos in a gallery.
        people: the number of distractors, people other than the person.
        left_out: the number of distractors that were left out because they are the person.
        nearest: the pairs of a clean and a cloaked photo that are closest for the headline's judge, closest first.
    """

    sides: dict[Kind, Side]
    findings: dict[str, Findings]
    headline: str
    per_search: int
    crowd: int
    people: int
    left_out: int
    nearest: tuple[Pair, ...]

    @property
    def main(self) -> Findings:
        """The headline's findings."""
        return self.findings[self.headline]


def audit(
    cloaked: Path, clean: Path, judges: Sequence[Judge], detector: Detector, progress: Progress | None = None
) -> Audit:
    """Audit one person's photos in two folders; the clean ones should not be the originals of the cloaked ones.

    ResNet-29 must be among the ``judges``: it tells which distractors are the person. Where both sides are of one kind,
    each photo is searched for among the others. Raises UsageError where a folder shows fewer than two faces or is not
    there, where one photo is there twice, is on both sides or the original of a cloaked one.
    """
    roots: dict[Kind, Path] = {"clean": clean, "cloaked": cloaked}
    photos = {kind: list_photos(roots[kind], kind) for kind in KINDS}
    refuse_originals(photos["clean"], clean, cloaked)
    detector = KeptDetector(detector)
    recognisers = {judge.name: judge.recogniser for judge in judges}
    sides = {kind: read_side(roots[kind], list(photos[kind]), kind, detector, recognisers, progress) for kind in KINDS}
    _refuse_same_face(sides)
    per_search = min(len(sides["clean"].names) - 1, len(sides["cloaked"].names) - 1)
    distractors = {judge.name: judge.distractors for judge in judges}[RESNET29]
    same = distractors.find_same(sides["clean"].features[RESNET29])
    made_against = read_made_against(cloaked)
    findings = {judge.name: _ask(judge, sides, same, per_search, made_against) for judge in judges}
    headline = choose_headline(list(findings), made_against or ())
    left = distractors.exclude(same)
    return Audit(
        sides,
        findings,
        headline,
        per_search,
        len(left.crowd),
        len(left.people.unique()),
        len(same),
        tuple(_find_nearest(sides, headline, detector)),
    )


def _refuse_same_face(sides: dict[Kind, Side]) -> None:
    apart = _measure_between(sides, RESNET29)
    if float(apart.min()) < 1e-4:
        first, second = divmod(int(apart.argmin()), apart.shape[1])
        one, other = (sides[kind].root / sides[kind].names[n] for kind, n in zip(KINDS, (first, second), strict=True))
        raise UsageError(
            f"{one} and {other} show the same uncloaked face; give clean photos that are not among the cloaked ones"
        )


def _ask(
    judge: Judge, sides: dict[Kind, Side], same: Tensor, per_search: int, made_against: frozenset[str] | None
) -> Findings:
    crowd = judge.distractors.exclude(same).crowd
    clean, cloaked = (sides[kind].features[judge.name] for kind in KINDS)
    found = {(a, b): _search_side(sides, a, b, judge.name, crowd, per_search) for a in KINDS for b in KINDS}
    reached, from_none = (
        float(count_reached(start, cloaked, judge.limit).double().mean()) / len(cloaked) for start in (clean, cloaked)
    )
    white_box = None if made_against is None else judge.name in made_against
    return Findings(judge, white_box, found, torch.cdist(clean, crowd).flatten(), reached, from_none)


def _search_side(
    sides: dict[Kind, Side], query: Kind, gallery: Kind, judge: str, crowd: Tensor, per_search: int
) -> Search:
    """Ranks among ``per_search`` photos of the person, never the query itself; distances of all pairs, each once."""
    queries, there = sides[query].features[judge], sides[gallery].features[judge]
    order = shuffle_by_id(sides[gallery].names, "audit")
    found = []
    for place, one in enumerate(queries):
        chosen = [other for other in order if query != gallery or other != place][:per_search]
        found.append(search(one[None], there[chosen], crowd).rank)
    apart = torch.pdist(queries) if query == gallery else torch.cdist(queries, there, compute_mode=EXACT).flatten()
    return Search(torch.cat(found), apart)


def _measure_between(sides: dict[Kind, Side], judge: str) -> Tensor:
    """(clean, cloaked) distances for ``judge``."""
    clean, cloaked = (sides[kind].features[judge] for kind in KINDS)
    return torch.cdist(clean, cloaked, compute_mode=EXACT)


def _find_nearest(sides: dict[Kind, Side], judge: str, detector: Detector) -> list[Pair]:
    """The closest clean photo of each of the cloaked photos that lie closest to one."""
    apart, shown = _measure_between(sides, judge), []
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
