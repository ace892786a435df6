"""A whole album: make or fetch the person's noise, cloak photo by photo, keep going past bad files, report."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from faceshield.cloaking.album import Album, Item, free, gather, refuse_foreign, stem
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.ensemble import AlignedCrops
from faceshield.cloaking.journal import Journal
from faceshield.cloaking.leftovers import sweep
from faceshield.cloaking.moving import cloak_frames, first_seen, moving
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import Perturbation
from faceshield.cloaking.photo import cloak_one, report_failed, report_unprotected
from faceshield.cloaking.prepare import ENOUGH, FEW, FIT, build_perturbation, load_identity, make_identity
from faceshield.cloaking.report import CloakReport, PhotoReport
from faceshield.core.errors import FaceshieldError, StoreError, UnprotectedError
from faceshield.core.outputs import open_folder
from faceshield.core.store import CLOAKED, sha256, write_json
from faceshield.core.types import Progress
from faceshield.evaluation.distractors import DISTRACTORS
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode
from faceshield.models import facenet
from faceshield.models.recognisers import RECOGNISERS
from faceshield.models.resnet29 import RECOGNISER
from faceshield.models.weights import path_of
from faceshield.noise import vault
from faceshield.noise.identity import Identity
from faceshield.noise.surrogate import BANK
from faceshield.training.runtime import Runtime

"""Called as (stage, done, total); stages are "looking", "making noise" and "cloaking"."""


def cloak(
    photos: str | Path | Sequence[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> CloakReport:
    """Cloak ``photos`` (files or folders) into the folder ``out`` and write ``out/faceshield.json``.

    The paper's class-wise error-minimizing noise (Eq. 2) for one person, or a mask for each photo, or both in one δ
    (``options.against``), ‖δ‖∞ ≤ ε, blended into their face in each photo. Originals are only read. A photo without the
    face is written nowhere and listed as "unprotected"; a broken file is listed as "failed"; neither stops the rest.
    Raises UsageError or StoreError before anything is written where the request itself is wrong (``out`` inside the
    input, an unknown option, a folder that cannot be written).
    """
    options = options or Options()
    given = [photos] if isinstance(photos, (str, Path)) else photos
    target, say = Path(out), progress or (lambda stage, done, total: None)
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    album = gather([Path(path) for path in given], target)
    runtime = Runtime.best(device)
    inception = None if options.weights is None else facenet.load(Path(options.weights))
    finder = Finder(options, device)
    journal = Journal(target, options.resume)
    if not journal.earlier:
        refuse_foreign(album, target)
    identity, notices = load_identity(options) if options.against != "search" else (None, [])
    open_folder(target, "choose another folder")
    if identity is None and options.against != "search":
        vault.open_for_writing()
    problems: dict[Path, PhotoReport] = {}
    faces: list[AlignedCrops] = []
    if identity is None or options.against != "training":
        faces, problems = _look(album, options, finder, say)
    if identity is None and faces and options.against != "search":
        identity = make_identity(options, faces, runtime, lambda done, total: say("making noise", done, total))
        vault.save(identity)
    perturbation = build_perturbation(options, identity, faces, runtime, inception)
    if identity is not None and identity.kind == "private" and identity.photos < FEW:
        notices.append(
            f"the noise of {identity.name!r} was made from {identity.photos} of the person's photos; from about 20"
            " it holds better: cloak more at once under another --identity name"
        )
    journal.begin({**options.describe(), "noise": _digest(identity)}, {str(item.source) for item in album.items})
    finished = (*journal.done.values(), *journal.others)
    taken = {stem(Path(report.output)) for report in finished if report.output}
    todo = [item for item in album.items if str(item.source) not in journal.done]
    work = [replace(item, place=free(item.place, taken)) for item in todo]
    places = OutputNames(target, taken, journal.own)
    folders = {target, *((target / item.place).parent for item in album.items)}
    results = dict(journal.done)

    def one(item: Item) -> PhotoReport:
        report = problems.get(item.source) or _guarded(item, places, perturbation, finder, options)
        journal.add(report)
        return report

    sweep(folders)
    say("cloaking", len(results), len(album.items))
    for done in _in_order(one, work, options.workers):
        results[done.source] = done
        say("cloaking", len(results), len(album.items))
    report = CloakReport(
        photos=(*(results[str(item.source)] for item in album.items), *journal.others),
        options=options.describe(),
        identity=_summary(identity),
        ignored=tuple(map(str, album.ignored)),
        notices=tuple(notices),
        started=started,
        device=runtime.describe(),
    )
    write_json(target / CLOAKED, report.to_json())
    journal.close()
    sweep(folders)  # what was too young at the beginning
    return report


def _guarded(
    item: Item, places: OutputNames, perturbation: Perturbation | None, finder: Finder, options: Options
) -> PhotoReport:
    try:
        if perturbation is None:
            raise UnprotectedError(f"{item.source}: no clear face was found in any of the photos")
        data = read(item.source)
        animation = moving(data, item.source, options)
        if animation is not None:
            return cloak_frames(animation, item, places, perturbation, finder, options)
        return cloak_one(data, item, places, perturbation, finder, options)
    except StoreError:
        raise
    except UnprotectedError as error:
        return report_unprotected(item, error)
    except FaceshieldError as error:
        return report_failed(item, error)


def _look(
    album: Album, options: Options, finder: Finder, say: Progress
) -> tuple[list[AlignedCrops], dict[Path, PhotoReport]]:
    """The person's face in up to ENOUGH photos spread over the album.

    Photos that could not be used are reported once, here, so that they are not looked at again.
    """
    needed = {
        "training": (*FIT["training"], BANK),
        "search": (RECOGNISER, RECOGNISERS, DISTRACTORS),
        "both": (*FIT["both"], BANK, RECOGNISER, DISTRACTORS),
    }
    for name in needed[options.against]:
        path_of(name)  # a missing weight file is told now, not after minutes of looking
    step = -(-len(album.items) // ENOUGH)
    order = [item for first in range(step) for item in album.items[first::step]]
    enough = 1 if options.fast and options.against == "training" else ENOUGH  # a mask leads away from all it knows
    faces: list[AlignedCrops] = []
    problems: dict[Path, PhotoReport] = {}
    for number, item in enumerate(order, 1):
        if faces and number > enough:
            break
        try:
            data = read(item.source)
            animation = moving(data, item.source, options)
            if animation is not None:
                faces.append(first_seen(animation, finder))
            else:
                rgb = decode(data, item.source, first=options.frames == "first").rgb8()
                found = finder.find(rgb, item.source)
                finder.keep(item.source, sha256(data), found)
                faces += [AlignedCrops.of(rgb, face) for face in found[0][:1]]
        except UnprotectedError as error:
            problems[item.source] = report_unprotected(item, error)
        except FaceshieldError as error:
            problems[item.source] = report_failed(item, error)
        say("looking", number, max(number, min(enough, len(order))))
    return faces, problems


def _in_order(work: Callable[[Item], PhotoReport], items: Sequence[Item], jobs: int) -> Iterator[PhotoReport]:
    """Results in input order, at most ``jobs`` photos in memory at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        waiting = iter(items)
        running: list[Future[PhotoReport]] = [pool.submit(work, item) for item in islice(waiting, jobs)]
        try:
            while running:
                yield running.pop(0).result()
                running += [pool.submit(work, item) for item in islice(waiting, 1)]
        finally:
            for future in running:
                future.cancel()


def _digest(identity: Identity | None) -> str | None:
    return None if identity is None else sha256(identity.delta.numpy().tobytes())


def _summary(identity: Identity | None) -> dict[str, Any] | None:
    """What the report may say: neither the secret nor the slot it chose."""
    if identity is None:
        return None
    return {
        "name": identity.name,
        "kind": identity.kind,
        "photos": identity.photos,
        "created": identity.created,
        "surrogate": identity.surrogate,
        "bank_correlation": round(identity.bank_correlation, 3),
        "noise_sha256": _digest(identity),
    }
