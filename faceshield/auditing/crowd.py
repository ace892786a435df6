"""An audit's attacker: trains recognisers on a person's clean photos, or cloaked ones, among those of a crowd."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceshield.attacks.base import Countermeasure
from faceshield.attacks.collected import collect, make_pairs
from faceshield.attacks.table import find_countermeasure
from faceshield.auditing.crowd_audit import AFTER, BEFORE, CrowdAudit, add_intervals
from faceshield.auditing.framing import STORED, Collector
from faceshield.auditing.sides import KINDS, Kind, Side
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.types import Progress
from faceshield.data.examples import HELD_OUT, Examples, concatenate, shuffle_by_id
from faceshield.data.layouts import FaceIndex, read_layout
from faceshield.training.attack import attack
from faceshield.training.runtime import Runtime

PERSON = "/the person"  # no folder's name
MARGIN = 0.1  # of the detector's box; more would reach beyond crowds that somebody cut to the face
SEED = 0
# the attacker of faces/selfie, and the steps its epochs come to: as many epochs of few photos would teach too little
SETTINGS: Mapping[str, Any] = {"size": 80, "width": 16, "epochs": 20, "steps": 1100, "lr": 0.1}
BATCH = 64
TRAINING = "training recognisers"


def read_crowd(root: Path, folders: Sequence[Path]) -> FaceIndex:
    """Read the photos PERSON/FILE of people other than the person, whose photos lie in ``folders``.

    Raises UsageError for fewer than 2 people, for a person with 1 photo, and where ``root`` and one of ``folders`` lie
    in each other.
    """
    for folder in folders:
        first, second = folder.resolve(), root.resolve()
        if first.is_relative_to(second) or second.is_relative_to(first):
            raise UsageError(
                f"{root} and {folder}: one holds the other; a crowd is other people's photos, keep the person's"
                " elsewhere"
            )
    index = read_layout(root)
    photos = Counter(index.people)
    if len(photos) < 2:
        raise UsageError(f"{root}: holds photos of {len(photos)} person; a crowd needs at least 2, 30 are better")
    alone = next((person for person, count in photos.items() if count == 1), None)
    if alone is not None:
        raise UsageError(f"{root}: person {alone!r} has 1 photo; give each at least 2 or take the folder out")
    return index


def train_recognisers(
    sides: Mapping[Kind, Side],
    crowd: FaceIndex,
    counters: Sequence[str],
    runtime: Runtime,
    progress: Progress | None = None,
    *,
    settings: Mapping[str, Any] = SETTINGS,
    collector: Collector | None = None,
) -> CrowdAudit:
    """Train :func:`faceshield.training.attack.attack`'s network on half of the person's clean photos, then on as
    many cloaked ones, then once more on these for each of ``counters`` (names of ``attacks.table``).

    Clean photos that are in no training are the test, with a fifth of each crowd person's photos. ``collector`` cuts
    out all faces with none of the cloak's code, at ``framing.STORED`` pixels; training scales them to
    ``settings["size"]``. Where there are fewer cloaked photos than half the clean ones, both trainings get that many.
    Crowd people with a face in fewer than two photos are left out. Raises UsageError for an unknown counter-measure,
    fewer than 4 clean photos with a face, a side without any face, and where fewer than 2 crowd people or none of their
    photos to test are left; PhotoError for a file that cannot be read.
    """
    ways = [BEFORE, AFTER, *(("cloaked", name) for name in dict.fromkeys(counters) if name != "none")]
    counter = {way: find_countermeasure(way[1]) for way in ways}
    collector = collector or Collector(STORED, margin=MARGIN)
    person = {kind: _frame(collector, _files(sides[kind]), f"cutting out {kind} faces", progress) for kind in KINDS}
    enough = len(person["clean"]) // 2
    if enough < 2:
        raise UsageError(
            f"{sides['clean'].root}: a face was found in {len(person['clean'])} photos; training needs at least 4 clean"
            " ones, half of them for the test"
        )
    count = min(enough, len(person["cloaked"]))
    taken = {kind: _draw(person[kind], count) for kind in KINDS}
    files = list(zip(crowd.people, crowd.ids, crowd.paths, strict=True))
    everybody = _frame(collector, files, "cutting out the crowd's faces", progress)
    others = _keep_pairs(everybody)
    held = others.hold_out(HELD_OUT, seed=SEED)
    if not held.any():
        raise UsageError("the crowd has no photo to test; give at least one person 3 photos with a face")
    test = concatenate([others.select(held), person["clean"].select(~taken["clean"])])
    tested = int((~taken["clean"]).sum())
    epochs = {way: count_epochs(int((~held).sum()) + count, of, settings) for way, of in counter.items()}
    size = settings["size"]
    bar = progress or (lambda stage, done, total: None)
    done, total = 0, sum(epochs.values())
    bar(TRAINING, done, total)

    def count_epoch(epoch: int, loss: float) -> None:
        nonlocal done
        done += 1
        bar(TRAINING, done, total)

    metrics = {}
    for way in ways:
        photos = concatenate([others.select(~held), person[way[0]].select(taken[way[0]])])
        training = _undo(collect(photos, counter[way], size, margin=0), photos, counter[way], size)
        found = attack(
            training,
            collect(test, counter[way], size, margin=0),
            [len(others.classes)],
            SEED,
            runtime,
            epochs=epochs[way],
            lr=settings["lr"],
            width=settings["width"],
            batch=BATCH,
            **counter[way].training(),
            on_epoch=count_epoch,
        )
        metrics[way] = add_intervals(found, tested, int(held.sum()))
    lost: dict[str, int] = {kind: len(_files(sides[kind])) - len(person[kind]) for kind in KINDS}
    return CrowdAudit(
        metrics,
        count,
        tested,
        len(others.classes),
        int((~held).sum()),
        int(held.sum()),
        {**settings, "epochs": epochs[BEFORE]},
        {**lost, "crowd": len(crowd) - len(everybody)},
        tuple(sorted(set(everybody.classes) - set(others.classes))),
    )


def count_epochs(photos: int, counter: Countermeasure, settings: Mapping[str, Any]) -> int:
    """``settings["epochs"]``, or as many as make ``settings["steps"]`` with ``photos`` to train on.

    Adversarial training gets two thirds of them, as in faces/battery, since its epochs take twice as long.
    """
    plain: int = max(settings["epochs"], math.ceil(settings["steps"] / math.ceil(photos / BATCH)))
    return plain if counter.adversary is None else math.ceil(2 * plain / 3)


def _files(side: Side) -> list[tuple[str, str, Path]]:
    """All photos of a side: the collector looks for faces with its detector."""
    return [(PERSON, name, side.root / name) for name in sorted((*side.names, *side.lost))]


def _frame(
    collector: Collector, files: Sequence[tuple[str, str, Path]], stage: str, progress: Progress | None
) -> Examples:
    def on_file(done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    return collector.frame_all(files, on_file)


def _draw(photos: Examples, count: int) -> Tensor:
    """(n,) bool: draw ``count`` of the photos by their ids alone."""
    chosen = torch.zeros(len(photos), dtype=torch.bool)
    chosen[shuffle_by_id(photos.ids, "audit")[:count]] = True
    return chosen


def _keep_pairs(everybody: Examples) -> Examples:
    """Keep the people with at least two photos that show a face."""
    seen = torch.bincount(everybody.labels, minlength=len(everybody.classes)).tolist()
    names = [name for name, count in zip(everybody.classes, seen, strict=True) if count >= 2]
    if len(names) < 2:
        raise UsageError(
            f"people of the crowd with a face in 2 photos or more: {len(names)}; give at least 2, better 30"
        )
    return everybody.select_classes(names)


def _undo(training: Examples, photos: Examples, counter: Countermeasure, size: int) -> Examples:
    """``training`` after the counter-measure has removed noise; it learns from pairs of the crowd's ``photos``."""
    if counter.undo is None:
        return training
    rng = generator("audit", SEED)
    others = photos.select(photos.labels < len(photos.classes) - 1)
    return counter.undo(training, make_pairs(others.images, size, rng, margin=0), rng)
