"""A whole album: make or load the person's noise, cloak photo by photo, keep going past bad files, report."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from faceshield.cloaking.album import Album, Item, gather, refuse_foreign
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.journal import Journal
from faceshield.cloaking.leftovers import sweep
from faceshield.cloaking.open_photos import OpenPhotos
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames, plan_outputs
from faceshield.cloaking.person import Person, find_person
from faceshield.cloaking.perturbation import Perturbation
from faceshield.cloaking.prepare import list_notices, load_identity, make_identity
from faceshield.cloaking.report import CloakReport, PhotoReport, describe_identity, hash_noise
from faceshield.cloaking.strategy import STRATEGIES, Strategy
from faceshield.cloaking.worker import Worker, build_worker, report_crash
from faceshield.core.outputs import lock_folder, open_folder
from faceshield.core.processes import Workers, answer_in_order
from faceshield.core.store import CLOAKED, write_json
from faceshield.core.types import Progress
from faceshield.models import facenet
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.noise import vault
from faceshield.noise.identity import Identity
from faceshield.training.runtime import Runtime


def cloak(
    photos: str | Path | Sequence[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    cluster: Workers | None = None,
) -> CloakReport:
    """Cloak ``photos`` (files or folders) into the folder ``out`` and write ``out/faceshield.json``.

    The paper's class-wise error-minimizing noise (Eq. 2) for one person, or a mask for each photo, or both in one δ
    (``options.against``), ‖δ‖∞ ≤ ε, blended into their face in each photo. Originals are only read. A photo without the
    face is written nowhere and listed as "unprotected"; a broken file is listed as "failed"; neither stops the rest.
    Raises UsageError or StoreError before anything is written where the request itself is wrong (``out`` inside the
    input, an unknown option, a folder that cannot be written). ``progress`` is called with the stages "looking",
    "making noise" and "cloaking". ``cluster``: where photos are cloaked in place of this process, with the same result;
    all its machines see photos and ``out`` under the same paths.
    """
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    given = [photos] if isinstance(photos, (str, Path)) else photos
    job = _plan([Path(path) for path in given], Path(out), options or Options(), device, progress, cluster)
    identity = load_identity(job.options)
    _open_folders(job, identity)
    with lock_folder(job.out) as locked:
        job = _look_again(job)
        person = _find_person(job, identity)
        identity = identity or _make_identity(job, person)
        perturbation = job.strategy.build_perturbation(job.options, identity, person.faces, job.runtime, job.inception)
        job.journal.begin(
            {**job.options.describe(), "noise": hash_noise(identity)}, {str(item.source) for item in job.album.items}
        )
        reports = _cloak_photos(job, perturbation, person, locked)
        return _write_report(job, identity, reports, started)


@dataclass(frozen=True)
class _Job:
    """A request that was found to make sense, and what it is carried out with.

    Attributes:
        album: the photos to cloak.
        out: the output folder.
        inception: the user's own recogniser for masks, if any.
        journal: which photos an earlier run has finished.
        opened: which photos are being worked on, and were when an earlier run died.
        say: called with the progress.
        cluster: what cloaks the photos; None for this process.
    """

    album: Album
    out: Path
    options: Options
    strategy: Strategy
    runtime: Runtime
    inception: InceptionResnetV1 | None
    finder: Finder
    journal: Journal
    opened: OpenPhotos
    say: Progress
    cluster: Workers | None


def _plan(
    photos: Sequence[Path],
    out: Path,
    options: Options,
    device: str,
    progress: Progress | None,
    cluster: Workers | None,
) -> _Job:
    """Refuse what cannot be done; writes nothing."""
    album = gather(photos, out)
    return _Job(
        album=album,
        out=out,
        options=options,
        strategy=STRATEGIES[options.against],
        runtime=Runtime.best(device),
        inception=None if options.weights is None else facenet.load(Path(options.weights)),
        finder=Finder(options, device),
        journal=_read_journal(album, out, options),
        opened=OpenPhotos(out),
        say=progress or (lambda stage, done, total: None),
        cluster=cluster,
    )


def _look_again(job: _Job) -> _Job:
    """The ``job`` as it is once nobody else writes into its folder: another run may have ended since it was planned."""
    return replace(job, journal=_read_journal(job.album, job.out, job.options), opened=OpenPhotos(job.out))


def _read_journal(album: Album, out: Path, options: Options) -> Journal:
    journal = Journal(out, options.resume)
    if not journal.earlier:
        refuse_foreign(album, out)
    return journal


def _open_folders(job: _Job, identity: Identity | None) -> None:
    """Make the output folder, and the vault where an identity will be saved."""
    open_folder(job.out, "choose another folder")
    if identity is None and job.strategy.needs_identity:
        vault.open_for_writing()


def _find_person(job: _Job, identity: Identity | None) -> Person:
    """Look at the photos, unless all that they get is the noise that ``identity`` has already."""
    if identity is not None and not job.strategy.makes_masks:
        return Person()
    job.strategy.require_weights(job.options)
    most = job.strategy.max_viewed(job.options.fast)
    return find_person(
        job.album.items, job.options, job.finder, job.opened, most, lambda done, total: job.say("looking", done, total)
    )


def _make_identity(job: _Job, person: Person) -> Identity | None:
    """Make and save an identity where the photos need one and show the person."""
    if not job.strategy.needs_identity or not person.faces:
        return None
    identity = make_identity(
        job.options, person.faces, job.runtime, lambda done, total: job.say("making noise", done, total)
    )
    with lock_folder(vault.find_folder(), wait=True) as locked:
        sweep([vault.find_folder()], [vault.find_folder()] if locked else ())
        # a run into another folder may have made one since: a person has one noise
        made = load_identity(job.options)
        if made is None:
            vault.save(identity)
    return made or identity


def _cloak_photos(
    job: _Job, perturbation: Perturbation | None, person: Person, locked: bool
) -> tuple[PhotoReport, ...]:
    """Cloak what an earlier run has not finished; reports in the album's order, then those of earlier photos.

    ``locked``: no other run writes into the output folder.
    """
    items, names = plan_outputs(job.album, job.out, job.journal)
    folders = {job.out, *((job.out / item.output).parent for item in job.album.items)}
    reports, total = dict(job.journal.done), len(job.album.items)

    todo = [item for item in items if item.source not in person.problems]
    known = [person.problems[item.source] for item in items if item.source in person.problems]
    for report in known:
        job.journal.add(report)
    sweep(folders, {job.out} if locked else ())
    job.say("cloaking", len(reports), total)
    for report in chain(known, _map(todo, names, perturbation, job)):
        reports[report.source] = report
        job.say("cloaking", len(reports), total)
    sweep(folders, {job.out} if locked else ())  # files that were too young for the first sweep
    return (*(reports[str(item.source)] for item in job.album.items), *job.journal.others)


def _map(
    items: Sequence[Item], names: OutputNames, perturbation: Perturbation | None, job: _Job
) -> Iterator[PhotoReport]:
    """The reports of ``items`` in their order, each in the journal: from this process, or from those of a cluster."""
    if job.cluster is None or perturbation is None:
        worker = Worker(names, perturbation, job.finder, job.options, job.opened.hold)

        def work(item: Item) -> PhotoReport:
            report = worker(item)
            job.journal.add(report)
            return report

        yield from _map_in_order(work, items, job.options.workers)
        return
    make_worker = partial(build_worker, names, perturbation, job.options, job.runtime.device.type)
    for report in job.cluster.map(make_worker, items, report_crash):
        job.journal.add(report)
        yield report


def _map_in_order(work: Callable[[Item], PhotoReport], items: Sequence[Item], jobs: int) -> Iterator[PhotoReport]:
    """Results in input order, at most ``jobs`` photos in memory at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from answer_in_order(lambda item: pool.submit(work, item), items, jobs)


def _write_report(job: _Job, identity: Identity | None, photos: tuple[PhotoReport, ...], started: str) -> CloakReport:
    report = CloakReport(
        photos=photos,
        options=job.options.describe(),
        identity=describe_identity(identity),
        ignored=tuple(map(str, job.album.ignored)),
        notices=tuple(list_notices(job.options, identity)),
        started=started,
        device=job.runtime.describe(),
        about=job.strategy.about,
        recognisers=job.strategy.choose_recognisers(job.options),
    )
    write_json(job.out / CLOAKED, report.to_json())
    job.journal.close()
    job.opened.close()
    return report
