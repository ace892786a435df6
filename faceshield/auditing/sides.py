"""The photos of one folder of an audit: features of those with a face, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import CLOAKED, read_json, sha256
from faceshield.core.types import Progress
from faceshield.evaluation.embed import combine
from faceshield.evaluation.enrol import Recogniser, enrol
from faceshield.faces.detector import Detector
from faceshield.imaging.formats import PICTURES

Kind = Literal["clean", "cloaked"]
KINDS: tuple[Kind, Kind] = ("clean", "cloaked")


@dataclass(frozen=True)
class Side:
    """The photos of one folder.

    Attributes:
        root: the folder.
        names: the photos that show a face.
        features: (n, D) features of these photos, by the recogniser's name.
        lost: names of the photos without a face.
        unread: what is wrong with those that cannot be read, one line each.
    """

    root: Path
    names: tuple[str, ...]
    features: dict[str, Tensor]
    lost: tuple[str, ...]
    unread: tuple[str, ...] = ()


def list_photos(root: Path, kind: Kind) -> dict[str, str]:
    """The photos below ``root``, without hidden ones: SHA-256 by name, sorted by name.

    Raises UsageError where it is not a folder, holds no photo, or holds one twice.
    """
    first: dict[str, str] = {}
    digests = {name: sha256(root / name) for name in _names(root, kind)}
    for name, digest in digests.items():
        if first.setdefault(digest, name) != name:
            raise UsageError(
                f"{root / name}: is the same file as {root / first[digest]}, and each would be found by the other; take"
                " one away"
            )
    return digests


def read_side(
    root: Path,
    names: Sequence[str],
    kind: Kind,
    detector: Detector,
    recognisers: Mapping[str, Recogniser],
    progress: Progress | None,
) -> Side:
    """The photos ``names`` of ``root``. Raises UsageError where they show fewer than two faces."""

    faults: dict[str, str] = {}
    enrolled = {}
    for number, (name, recogniser) in enumerate(recognisers.items()):

        def on_photo(stage: str, done: int, total: int, before: int = number * len(names)) -> None:
            if progress is not None:
                progress(f"looking at {kind} photos", before + done, len(recognisers) * len(names))

        enrolled[name] = enrol(root, names, detector, recogniser, which="largest", progress=on_photo, faults=faults)
    found = next(iter(enrolled.values())).found
    seen = torch.from_numpy(found)
    if int(seen.sum()) < 2:
        why = f" ({next(iter(faults.values()))})" if faults else ""
        raise UsageError(
            f"{root}: a face was found in {int(seen.sum())} photos{why}; an audit needs at least 2 of them"
        )
    shown = {name for name, there in zip(names, found, strict=True) if there}
    return Side(
        root,
        tuple(name for name in names if name in shown),
        {name: combine(one.raw, unit=False)[seen] for name, one in enrolled.items()},
        tuple(name for name in names if name not in shown and name not in faults),
        tuple(faults.values()),
    )


def read_made_against(cloaked: Path) -> frozenset[str] | None:
    """The recognisers that the masks in ``cloaked`` were made against, by the report of the cloaking run beside them.

    None where there is no report, or one that does not say.
    """
    try:
        return frozenset(map(str, read_json(cloaked / CLOAKED)["recognisers"]))
    except (StoreError, KeyError, TypeError):
        return None


def refuse_originals(photos: Mapping[str, str], clean: Path, cloaked: Path) -> None:
    """Raise UsageError where a photo of ``cloaked`` was made from one of ``photos``, by the report of the cloaking run.

    ``photos`` are SHA-256 by name in ``clean``.
    """
    try:
        reports = read_json(cloaked / CLOAKED)["photos"]
        made_of = {photo["sha256_input"]: photo["output"] for photo in reports if photo["output"] is not None}
    except (StoreError, KeyError, TypeError):
        return  # no report, or another program's
    for name, digest in photos.items():
        if digest in made_of:
            raise UsageError(
                f"{clean / name}: is the original of {cloaked / made_of[digest]}, and found for what else the picture"
                " shows; give clean photos that were not cloaked"
            )


def _names(root: Path, kind: Kind) -> list[str]:
    try:
        folder = root.is_dir()
    except OSError:  # such as a path that is too long
        folder = False
    if not folder:
        raise UsageError(f"{root}: is not a folder; give the folder of {kind} photos")
    files = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    names = sorted(file.as_posix() for file in files if not any(part.startswith(".") for part in file.parts))
    if not names:
        raise UsageError(f"{root}: holds no photo; give the folder of {kind} photos")
    return names
