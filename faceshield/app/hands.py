"""The long work, each in a process of its own that may be killed at any moment: cloak an album, check what came of it.

Messages to the server are tuples: ("stage", name, done, total), ("photo", PhotoReport as JSON values), ("result", …),
("said", sentence) where the library refuses, and nothing at all after a crash.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from faceshield.app.settings import Settings
from faceshield.core.errors import FaceshieldError

Send = Callable[[tuple[Any, ...]], None]


def work(connection: Connection, task: str, arguments: Mapping[str, Any]) -> None:
    """What the process runs: one of :data:`TASKS`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)  # previews go first
    try:
        TASKS[task](connection.send, **arguments)
    except FaceshieldError as error:
        connection.send(("said", str(error)))
    except Exception:
        connection.send(("bug", traceback.format_exc(limit=-1).strip().splitlines()[-1]))


def cloak_album(
    send: Send,
    photos: Sequence[tuple[Path, str]],
    out: Path,
    settings: Mapping[str, Any],
    resume: bool,
    jobs: int,
) -> None:
    """Cloak ``photos``, each with its choice of faces, into ``out`` as the command line would."""
    from faceshield.cloaking.journal import JOURNAL
    from faceshield.cloaking.run import cloak

    told: set[str] = set()

    def send_photo(report: Mapping[str, Any]) -> None:
        if report["source"] not in told:
            told.add(report["source"])
            send(("photo", {**report, "faces": [_keep_finite(face) for face in report["faces"]]}))

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "cloaking":
            for report in _read_reports(out / JOURNAL):
                send_photo(report)
        send(("stage", stage, done, total))

    options = Settings.from_json(settings).build_options(
        {str(path): face for path, face in photos}, resume=resume, jobs=jobs
    )
    report = cloak([path for path, _ in photos], out, options, progress=on_progress)
    for photo in report.to_json()["photos"]:
        send_photo(photo)
    identity = None if report.identity is None else {key: report.identity[key] for key in ("name", "kind", "photos")}
    send(("result", {"notices": list(report.notices), "about": report.about, "identity": identity}))


def _keep_finite(face: Mapping[str, Any]) -> dict[str, Any]:
    """A journal has an infinite PSNR where no pixel of a face has changed, which JSON for a browser has not."""
    return {**face, "psnr": None if face["psnr"] in (None, math.inf) else face["psnr"]}


def _read_reports(journal: Path) -> list[dict[str, Any]]:
    """The whole lines of a running journal after its first one, which holds the settings."""
    lines = journal.read_text(encoding="utf-8").split("\n")[:-1] if journal.is_file() else []
    return [json.loads(line) for line in lines[1:]]


def check_album(send: Send, cloaked: Path, clean: Path, page: Path) -> None:
    """Audit the photos of two folders by all recognisers that come with the tool; leaves the report at ``page``."""
    from faceshield.auditing.audit import audit
    from faceshield.auditing.judges import load_judge
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.models.pretrained import PRETRAINED
    from faceshield.reports.audit import COLUMNS, OPEN, build_lines, explain_audit, write_audit
    from faceshield.training.runtime import Runtime

    device = Runtime.best("cpu").device
    judges = [load_judge(name, device) for name in PRETRAINED]
    result = audit(cloaked, clean, judges, AnyRollDetector(device), lambda *stage: send(("stage", *stage)))
    write_audit(result, page, datetime.datetime.now(datetime.timezone.utc).date())
    found = {
        "sentences": explain_audit(result),
        "columns": list(COLUMNS.values()),
        "lines": [asdict(line) for line in build_lines(result.main.metrics())],
        "open": list(OPEN),
        "lost": {kind: list(side.lost) for kind, side in result.sides.items()},
    }
    send(("result", found))


TASKS: dict[str, Callable[..., None]] = {"cloak": cloak_album, "check": check_album}
